use super::*;
use wire::{Json, ReasonCode};

fn jid(n: u64) -> Jid {
    format!("202611222237{n:08}").parse().unwrap()
}

fn started(n: u64) -> JournalRecord {
    JournalRecord::Started {
        jid: jid(n),
        forget_after: 1_000 * n,
    }
}

fn value_of(n: u64, value: &str) -> Return {
    Return {
        jid: jid(n),
        retcode: 0,
        success: true,
        value: Json::from(value.as_bytes()),
        started: n,
        duration_ms: 3,
    }
}

fn returned(n: u64) -> JournalRecord {
    JournalRecord::Returned(value_of(n, "true"))
}

fn settled(n: u64) -> JournalRecord {
    JournalRecord::Settled { jid: jid(n) }
}

fn reason() -> Reason {
    Reason {
        code: ReasonCode::Interrupted,
        text: "the minion restarted".to_owned(),
        since: 7,
    }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    // Thousands of files are opened, repaired and synced here; what a sync is worth is tested elsewhere.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    };
    let path = dir.path().join("journal");
    (dir, path)
}

/// Writes each group with one append, and gives the file's bytes with the length after each group.
fn written(groups: &[Vec<JournalRecord>]) -> (Vec<u8>, Vec<usize>) {
    let (_dir, path) = place();
    let (mut journal, _) = Journal::open(&path).unwrap();
    let mut lengths = vec![journal.file_bytes() as usize];
    for group in groups {
        journal.append(group).unwrap();
        lengths.push(journal.file_bytes() as usize);
    }
    drop(journal);
    (std::fs::read(&path).unwrap(), lengths)
}

fn opened(bytes: &[u8]) -> JournalRecovered {
    let (_dir, path) = place();
    std::fs::write(&path, bytes).unwrap();
    let (journal, recovered) = Journal::open(&path).unwrap();
    drop(journal);
    // Once repaired, a file stays whole, and says the same.
    let (_, again) = Journal::open(&path).unwrap();
    let expected = JournalRecovered {
        torn_bytes: 0,
        quarantine: None,
        ..recovered.clone()
    };
    assert_eq!(again, expected);
    recovered
}

#[test]
fn a_journal_says_what_was_started_and_what_is_not_settled() {
    let (bytes, _) = written(&[
        vec![started(1), started(2), started(3), started(4)],
        vec![returned(2), returned(1)],
        vec![JournalRecord::NotRun {
            jid: jid(3),
            reason: reason(),
        }],
        vec![settled(1), returned(5), settled(5)],
    ]);
    assert_eq!(
        opened(&bytes),
        JournalRecovered {
            started: (1..=4).map(|n| (jid(n), 1_000 * n)).collect(),
            returned: vec![value_of(2, "true")],
            not_run: vec![(jid(3), reason())],
            kept: Vec::new(),
            interrupted: vec![jid(4)],
            torn_bytes: 0,
            quarantine: None,
        }
    );
}

/// Groups with every sort of record, so that some rest on others.
fn groups() -> Vec<Vec<JournalRecord>> {
    let not_run = JournalRecord::NotRun {
        jid: jid(3),
        reason: reason(),
    };
    let mut groups: Vec<Vec<JournalRecord>> = (1..=4)
        .flat_map(|n| [vec![started(n)], vec![returned(n)]])
        .collect();
    groups.extend([
        vec![settled(1)],
        vec![settled(2)],
        vec![started(5)],
        vec![not_run],
    ]);
    groups
}

/// What a journal says in which only these groups were ever written.
fn says(groups: impl IntoIterator<Item = Vec<JournalRecord>>) -> JournalRecovered {
    let groups: Vec<_> = groups.into_iter().collect();
    opened(&written(&groups).0)
}

fn without_reports(recovered: JournalRecovered) -> JournalRecovered {
    JournalRecovered {
        torn_bytes: 0,
        quarantine: None,
        ..recovered
    }
}

#[test]
fn whole_records_survive_a_file_that_ends_at_any_byte() {
    let groups = groups();
    let (bytes, lengths) = written(&groups);
    for cut in lengths[0]..=bytes.len() {
        let whole = lengths.iter().filter(|&&length| length <= cut).count() - 1;
        let recovered = opened(&bytes[..cut]);
        let torn = cut - lengths[whole];
        assert_eq!(recovered.torn_bytes as usize, torn, "cut at {cut}");
        assert_eq!(recovered.quarantine, None, "cut at {cut}");
        let expected = says(groups[..whole].to_vec());
        assert_eq!(without_reports(recovered), expected, "cut at {cut}");
    }
}

/// A sector that never reached the disk, or was lost later, costs the records that lie in it and no other.
#[test]
fn a_lost_sector_costs_its_records_and_is_reported() {
    const SECTOR: usize = 512;
    let groups: Vec<Vec<JournalRecord>> = (1..=60).map(|n| vec![started(n), returned(n)]).collect();
    let (bytes, lengths) = written(&groups);
    let last = lengths[lengths.len() - 2];
    for lost in (SECTOR..bytes.len()).step_by(SECTOR) {
        let mut damaged = bytes.clone();
        let end = (lost + SECTOR).min(bytes.len());
        damaged[lost..end].fill(0);
        let (_dir, path) = place();
        std::fs::write(&path, &damaged).unwrap();
        let (_, recovered) = Journal::open(&path).unwrap();
        let is_whole = |group: usize| lengths[group + 1] <= lost || lengths[group] >= end;
        for (group, n) in (0..groups.len()).zip(1..) {
            if is_whole(group) {
                assert!(recovered.started.contains_key(&jid(n)), "{lost}: {n}");
                assert!(
                    recovered.returned.contains(&value_of(n, "true")),
                    "{lost}: {n}"
                );
            }
        }
        if end <= last {
            let quarantine = recovered.quarantine.unwrap();
            assert!(quarantine.damaged_bytes >= (end - lost) as u64, "{lost}");
            assert_eq!(std::fs::read(quarantine.copy).unwrap(), damaged);
        }
    }
}

#[test]
fn a_torn_end_of_zeros_or_noise_is_cut_off() {
    let (bytes, _) = written(&[vec![started(1)]]);
    for tail in [
        &[0; 4_096][..],
        b"\xf5\xb1\xff\x0a\xff\xff\xff\x7f noise",
        b"\xf5\xb1\xff\x0a\x01\0\0\0",
    ] {
        let recovered = opened(&[&bytes[..], tail].concat());
        assert_eq!(recovered.started.len(), 1);
        assert_eq!(recovered.torn_bytes as usize, tail.len());
        assert_eq!(recovered.quarantine, None);
    }
}

#[test]
fn any_flipped_bit_costs_one_record_and_is_reported() {
    let groups = groups();
    let (bytes, lengths) = written(&groups);
    let last = lengths[lengths.len() - 2];
    let without: Vec<JournalRecovered> = (0..groups.len())
        .map(|lost| {
            let rest = groups.iter().enumerate().filter(|(at, _)| *at != lost);
            says(rest.map(|(_, group)| group.clone()))
        })
        .collect();
    let all = says(groups);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let (_dir, path) = place();
            std::fs::write(&path, &damaged).unwrap();
            let opened = Journal::open(&path);
            if at < lengths[0] && matches!(opened, Err(JournalError::Newer { .. })) {
                // The flip made a higher version of the first line: refused, and left as it is.
                assert_eq!(std::fs::read(&path).unwrap(), damaged);
                continue;
            }
            let (journal, recovered) = opened.unwrap();
            let expected = match lengths.iter().rposition(|length| *length <= at) {
                Some(group) => &without[group],
                None => &all,
            };
            let (torn_bytes, quarantine) = (recovered.torn_bytes, recovered.quarantine.clone());
            assert_eq!(&without_reports(recovered), expected, "byte {at} bit {bit}");
            if at < last {
                let quarantine = quarantine.unwrap();
                assert!(quarantine.damaged_bytes > 0);
                assert_eq!(std::fs::read(quarantine.copy).unwrap(), damaged);
            } else {
                // A damaged last record can't be told from a torn one.
                assert_eq!(torn_bytes as usize, bytes.len() - last);
            }
            drop(journal);
            let (_, again) = Journal::open(&path).unwrap();
            assert_eq!(&again, expected, "byte {at} bit {bit}, opened again");
        }
    }
}

#[test]
fn an_emptied_file_is_damage_and_not_a_new_journal() {
    for bytes in [&b""[..], b"ban", b"something else entirely"] {
        assert!(opened(bytes).quarantine.is_some(), "{bytes:?}");
    }
}

#[test]
fn a_newer_version_is_refused_and_untouched() {
    let (_dir, path) = place();
    for text in ["banyan-journal 2\nwhatever", "banyan-journal 12\n"] {
        std::fs::write(&path, text).unwrap();
        let error = Journal::open(&path).err().unwrap();
        assert!(matches!(error, JournalError::Newer { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_second_process_is_kept_out() {
    let (_dir, path) = place();
    let first = Journal::open(&path).unwrap();
    assert!(matches!(
        Journal::open(&path),
        Err(JournalError::InUse { .. })
    ));
    drop(first);
    assert!(Journal::open(&path).is_ok());
}

#[test]
fn garbage_is_written_off_and_what_is_needed_stays() {
    let (_dir, path) = place();
    let (mut journal, _) = Journal::open(&path).unwrap();
    let big = "x".repeat(200 << 10);
    journal
        .append(&[started(1), JournalRecord::Returned(value_of(1, &big))])
        .unwrap();
    let one = journal.unsettled_bytes();
    assert!(one > 200 << 10);
    let mut longest = 0;
    for n in 2..40 {
        journal
            .append(&[started(n), JournalRecord::Returned(value_of(n, &big))])
            .unwrap();
        journal.append(&[settled(n)]).unwrap();
        longest = longest.max(journal.file_bytes());
        assert_eq!(journal.unsettled_bytes(), one);
    }
    assert!(longest < GARBAGE_BYTES_MAX + 4 * one, "{longest}");
    journal.append(&[started(99)]).unwrap();
    let value = Some(value_of(1, &big));
    assert_eq!(journal.returned(jid(1)).unwrap(), value);
    assert_eq!(journal.returned(jid(2)).unwrap(), None);
    drop(journal);
    let (journal, recovered) = Journal::open(&path).unwrap();
    assert_eq!(recovered.started.len(), 40);
    // It is long, and stays on the disk until it is asked for.
    assert_eq!(recovered.returned, []);
    assert_eq!(recovered.kept, [(jid(1), big.len() as u64)]);
    assert_eq!(journal.returned(jid(1)).unwrap(), value);
    assert_eq!(recovered.interrupted, [jid(99)]);
    assert_eq!(recovered.quarantine, None);
}

#[test]
fn starts_are_forgotten_when_they_are_settled_and_their_time_is_over() {
    let (_dir, path) = place();
    let (mut journal, _) = Journal::open(&path).unwrap();
    journal
        .append(&[
            started(1),
            returned(1),
            settled(1),
            started(2),
            returned(2),
            started(9),
            settled(9),
        ])
        .unwrap();
    for (now, forgotten) in [
        (1_000 + CLOCK_SLACK_MS, 0),
        (1_001 + CLOCK_SLACK_MS, 1),
        (8_000 + CLOCK_SLACK_MS, 0),
        (9_001 + CLOCK_SLACK_MS, 1),
    ] {
        assert_eq!(journal.forget(now).unwrap(), forgotten, "{now}");
    }
    journal.compact().unwrap();
    drop(journal);
    let (_, recovered) = Journal::open(&path).unwrap();
    assert_eq!(recovered.started.into_keys().collect::<Vec<_>>(), [jid(2)]);
    assert_eq!(recovered.returned.len(), 1);
}

#[test]
fn an_unfinished_rewriting_is_thrown_away() {
    let (_dir, path) = place();
    let (mut journal, _) = Journal::open(&path).unwrap();
    journal.append(&[started(1)]).unwrap();
    drop(journal);
    std::fs::write(beside(&path, ".new"), "half").unwrap();
    let (_, recovered) = Journal::open(&path).unwrap();
    assert_eq!(recovered.started.len(), 1);
    assert!(!beside(&path, ".new").exists());
}

#[test]
fn after_a_failed_write_nothing_is_written() {
    let (_dir, path) = place();
    let (mut journal, _) = Journal::open(&path).unwrap();
    journal.append(&[started(1)]).unwrap();
    // A handle that can't write stands for a disk that can't.
    journal.file = File::open(&path).unwrap();
    assert!(matches!(
        journal.append(&[started(2)]),
        Err(JournalError::Io { .. })
    ));
    journal.file = open_file(&path).unwrap();
    assert!(matches!(
        journal.append(&[started(3)]),
        Err(JournalError::Stopped { .. })
    ));
    drop(journal);
    assert_eq!(opened(&std::fs::read(&path).unwrap()).started.len(), 1);
}

#[test]
fn a_record_over_its_limit_is_refused_and_the_journal_goes_on() {
    let (_dir, path) = place();
    let (mut journal, _) = Journal::open(&path).unwrap();
    let big = "x".repeat(wire::limits::MAX_FRAME + 1);
    let batch = [started(1), JournalRecord::Returned(value_of(1, &big))];
    assert!(matches!(
        journal.append(&batch),
        Err(JournalError::Record(_))
    ));
    journal.append(&[started(2)]).unwrap();
    drop(journal);
    let (_, recovered) = Journal::open(&path).unwrap();
    assert_eq!(recovered.started.into_keys().collect::<Vec<_>>(), [jid(2)]);
}
