//! A minion's journal after a crash, on a disk that wrote anything.

use std::fs;
use std::path::Path;

use store::Journal;
use wire::record::JournalRecord;

use crate::script::Script;

/// The first line of a journal, as the store writes it.
const HEADER: &[u8] = b"banyan-journal 1\n";

/// A journal of whole records, some damaged, some torn: what can be read stays, and the next start finds the same.
pub(crate) fn journal(bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal");
    let mut script = Script::new(bytes);
    let records = write(&path, &mut script);
    let rest = script.rest();
    damage(&path, rest);

    let Ok((mut journal, found)) = Journal::open(&path) else {
        return;
    };
    let known = found.started.len() + found.returned.len() + found.kept.len() + found.not_run.len();
    if rest.is_empty() {
        assert!(
            found.quarantine.is_none() && found.torn_bytes == 0,
            "{found:?}"
        );
    }
    assert!(known <= 2 * records + rest.len(), "{found:?}");
    // A record that comes after the damage is as safe as any.
    let jid = "20261122223719000999".parse().expect("a jid");
    let started = JournalRecord::Started {
        jid,
        forget_after: 1,
    };
    journal.append(&[started]).expect("the disk works");
    drop(journal);
    let (_, again) = Journal::open(&path).expect("it was repaired");
    assert!(
        again.quarantine.is_none() && again.torn_bytes == 0,
        "{again:?}"
    );
    assert!(again.started.contains_key(&jid));
    assert_eq!(again.returned, found.returned);
    assert_eq!(again.kept, found.kept);
    assert_eq!(again.not_run, found.not_run);
    assert_eq!(
        again.interrupted.len(),
        found.interrupted.len() + usize::from(!found.started.contains_key(&jid))
    );
}

/// A good journal; how many records it has.
fn write(path: &Path, script: &mut Script<'_>) -> usize {
    let (mut journal, _) = Journal::open(path).expect("a new journal");
    let records = script.some(8, |script| match script.below(4) {
        0 => JournalRecord::Started {
            jid: script.jid(),
            forget_after: script.time(),
        },
        1 => JournalRecord::Returned(script.returned()),
        2 => JournalRecord::NotRun {
            jid: script.jid(),
            reason: script.reason(),
        },
        _ => JournalRecord::Settled { jid: script.jid() },
    });
    journal.append(&records).expect("the disk works");
    records.len()
}

/// Two bytes say where, one what; an odd rest is put behind everything.
fn damage(path: &Path, bytes: &[u8]) {
    let mut file = fs::read(path).expect("a journal");
    assert!(file.starts_with(HEADER.split_at(15).0));
    for change in bytes.chunks(3) {
        match *change {
            [high, low, value] => {
                let at = usize::from(u16::from_be_bytes([high, low])) % file.len();
                file[at] ^= value;
            }
            _ => file.extend_from_slice(change),
        }
    }
    fs::write(path, file).expect("a damaged journal");
}
