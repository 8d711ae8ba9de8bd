//! What a hub finds on its disk when it starts.

use std::path::Path;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension};
use wire::codec::{CodecError, decode};
use wire::record::NodeRecord;
use wire::{Jid, Json, KeyDecision, Revocation, RosterMark, Uid, UnixMillis};

use crate::StoreError;
use crate::jobs::{self, StoredJob, blob};

/// Names of the single values.
pub(crate) mod fact {
    /// The roster's epoch.
    pub(crate) const EPOCH: &str = "epoch";
    /// The trust bundle.
    pub(crate) const TRUST: &str = "trust";
    /// Highest number of a node that is gone.
    pub(crate) const INDEX: &str = "gone_index";
    /// Newest job of this hub's own; stays when the job is pruned.
    pub(crate) const OWN_JID: &str = "own_jid";
}

/// The state of a hub as its last commit left it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recovered {
    /// The roster's epoch; None in a new store.
    pub epoch: Option<u64>,
    /// The roster, in order of number.
    pub nodes: Vec<NodeRecord>,
    /// Above every number that a node ever had, also the nodes that are gone.
    pub next_index: u32,
    /// Jobs of which more may come, with their whole accounts, in the order in which they arrived.
    pub open_jobs: Vec<StoredJob>,
    /// Jobs of the hub's own of which a parent has yet to hear, oldest first.
    pub untold: Vec<Jid>,
    /// Decisions about keys that wait for hubs that are cut off: the hub, the key.
    pub undelivered: Vec<(Uid, Uid, KeyDecision)>,
    /// The last statement about each key that was ever revoked.
    pub revoked: Vec<Revocation>,
    /// How far the rosters of child hubs are known.
    pub child_marks: Vec<(Uid, RosterMark)>,
    /// The trust bundle in force.
    pub trust: Option<Json>,
    /// Time of the newest job of this hub's own, also of a pruned one; 0 when there is none. Where the hub's clock of
    /// jids goes on.
    pub last_jid_ms: UnixMillis,
}

pub(crate) fn read(conn: &Connection, path: &Path) -> Result<Recovered, StoreError> {
    let nodes: Vec<NodeRecord> = rows(
        conn,
        path,
        "SELECT number, record FROM node ORDER BY number",
        decode,
    )?
    .into_iter()
    .map(|(_, record): (u32, _)| record)
    .collect();
    let revoked = rows(
        conn,
        path,
        "SELECT uid, record FROM revocation ORDER BY uid",
        decode,
    )?
    .into_iter()
    .map(|(_, record): ([u8; 16], _)| record)
    .collect();
    let child_marks = rows(
        conn,
        path,
        "SELECT hub, mark FROM child_mark ORDER BY hub",
        decode,
    )?
    .into_iter()
    .map(|(hub, mark)| (Uid(hub), mark))
    .collect();
    let untold = conn
        .prepare("SELECT jid FROM job JOIN job_untold ON job_untold.job = job.id ORDER BY jid")
        .and_then(|mut statement| {
            statement
                .query_map([], |row| row.get(0))?
                .collect::<Result<Vec<String>, _>>()
        })
        .map_err(StoreError::sql(path))?;
    let undelivered = rows(
        conn,
        path,
        "SELECT CAST(hub || uid AS BLOB), decision FROM undelivered ORDER BY hub, uid",
        decode,
    )?
    .into_iter()
    .map(|(key, decision): ([u8; 32], _)| {
        let (mut hub, mut uid) = ([0; 16], [0; 16]);
        hub.copy_from_slice(&key[..16]);
        uid.copy_from_slice(&key[16..]);
        (Uid(hub), Uid(uid), decision)
    })
    .collect();
    let gone: Option<u32> = single(conn, path, fact::INDEX)?;
    let above = |index: u32| index.saturating_add(1);
    let own_jid: Option<String> = single(conn, path, fact::OWN_JID)?;
    Ok(Recovered {
        epoch: single::<i64>(conn, path, fact::EPOCH)?.map(i64::cast_unsigned),
        next_index: gone
            .max(nodes.last().map(|node| node.index))
            .map_or(0, above),
        nodes,
        open_jobs: jobs::open_jobs(conn, path)?,
        untold: untold.iter().filter_map(|jid| jid.parse().ok()).collect(),
        undelivered,
        revoked,
        child_marks,
        trust: single::<Vec<u8>>(conn, path, fact::TRUST)?.map(Json::from),
        last_jid_ms: own_jid
            .and_then(|text| text.parse().ok())
            .map_or(0, jid_millis),
    })
}

/// Rows of a key and the value of a blob.
fn rows<K: FromSql, T>(
    conn: &Connection,
    path: &Path,
    query: &str,
    decode: impl Fn(&[u8]) -> Result<T, CodecError>,
) -> Result<Vec<(K, T)>, StoreError> {
    let sql = StoreError::sql(path);
    let mut statement = conn.prepare(query).map_err(&sql)?;
    let mut rows = statement.query([]).map_err(&sql)?;
    let mut list = Vec::new();
    while let Some(row) = rows.next().map_err(&sql)? {
        let value = decode(blob(row, 1).map_err(&sql)?)
            .map_err(|e| StoreError::damaged(path, format!("{query}: {e}")))?;
        list.push((row.get(0).map_err(&sql)?, value));
    }
    Ok(list)
}

fn single<T: FromSql>(conn: &Connection, path: &Path, name: &str) -> Result<Option<T>, StoreError> {
    conn.query_row("SELECT value FROM fact WHERE name = ?1", [name], |row| {
        row.get(0)
    })
    .optional()
    .map_err(StoreError::sql(path))
}

/// The time in a jid's digits (`YYYYMMDDhhmmssffffff`, UTC), rounded up to a whole millisecond.
fn jid_millis(jid: Jid) -> UnixMillis {
    let text = jid.to_string();
    let digits = |from: usize, to: usize| text[from..to].parse::<u64>().unwrap_or(0);
    let (year, month, day) = (digits(0, 4), digits(4, 6).clamp(1, 12), digits(6, 8).max(1));
    if year < 1970 {
        return 0;
    }
    // Days since the epoch, with the year beginning in March, so that a leap day is the last of its year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + (day - 1) - 719_468;
    let secs = days * 86_400 + digits(8, 10) * 3_600 + digits(10, 12) * 60 + digits(12, 14);
    // The last two digits name the signer.
    secs * 1_000 + digits(14, 18).div_ceil(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::JidClock;

    #[test]
    fn the_clock_of_jids_goes_on_after_the_newest() {
        for now in [
            0,
            951_782_400_000,
            951_868_799_999,
            1_795_387_039_123,
            4_102_444_800_000,
        ] {
            let mut clock = JidClock::new(7, 0);
            let mut last = clock.next(now);
            assert_eq!(jid_millis(last), now.max(1), "{last}");
            last = clock.next(now);
            let mut restarted = JidClock::new(7, jid_millis(last));
            assert!(restarted.next(0) > last, "{last}");
        }
    }

    #[test]
    fn digits_that_are_no_date_do_no_harm() {
        for text in [
            "00000000000000000000",
            "99999999999999999999",
            "19700000000000000000",
        ] {
            let _ = jid_millis(text.parse().unwrap());
        }
    }
}
