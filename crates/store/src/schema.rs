//! The database's form: how it is created, checked, moved to a newer version and opened.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::StoreError;
use crate::lock::{FILE_MODE, beside, remove_if_there, sync_directory_of};

/// Says that a file is a hub's store and not any other database: "bnyn" in ASCII.
const APPLICATION_ID: i32 = 0x626e_796e;

/// Each step moves a database one version up. A change of a `wire` type that is stored needs a step as well.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql")];

/// What every database has beside the steps, and older releases pass over.
const ADDITIONS: &str = include_str!("additions.sql");

/// Version of the databases that this build writes; it reads this one and all older ones.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// A bigger database is not read as a whole at each start: damage in it is found when the row is read.
const CHECKED_BYTES_MAX: u64 = 256 << 20;

/// The log is cut back to this length once all of it is in the database: a burst must not take its room for good.
const LOG_BYTES_KEPT: u64 = 16 << 20;

/// Pages that a connection keeps in memory, in KiB, in place of SQLite's 2,000: what is written is seldom read again soon, and the
/// kernel keeps it too (`cargo xtask bench store` is as fast).
const CACHE_KIB: i32 = 512;

/// Prepared statements that a connection keeps: all there are, with room to spare.
const STATEMENTS_MAX: usize = 64;

/// How long a read waits for the moments in which the writer holds the file alone (recovery of the log at start).
const BUSY_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// Opens the database for writing; creates it when no file is there.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let conn = open_writer_with(path, MIGRATIONS)?;
    conn.execute_batch(&format!("BEGIN IMMEDIATE; {ADDITIONS} COMMIT"))
        .map_err(StoreError::sql(path))?;
    Ok(conn)
}

fn open_writer_with(path: &Path, migrations: &[&str]) -> Result<Connection, StoreError> {
    if !path.try_exists().map_err(StoreError::io(path))? {
        create(path, migrations)?;
    }
    let bytes = std::fs::metadata(path).map_err(StoreError::io(path))?.len();
    if bytes == 0 {
        // SQLite takes an empty file for a new database. Ours are never empty: they are renamed into place when complete.
        return Err(StoreError::damaged(path, "the file is empty"));
    }
    let mut conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(StoreError::sql(path))?;
    prepare(&mut conn, path, migrations, bytes)?;
    // The log is there by now. SQLite syncs its name as well, and passes over an error.
    sync_directory_of(path).map_err(StoreError::io(path))?;
    Ok(conn)
}

/// Opens a second connection that can't write. The writer has to be open already.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(StoreError::sql(path))?;
    conn.busy_timeout(BUSY_WAIT)
        .map_err(StoreError::sql(path))?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(conn)
}

/// Builds the database under another name, so that a file under the real name is always complete.
fn create(path: &Path, migrations: &[&str]) -> Result<(), StoreError> {
    if beside(path, "-wal").exists() {
        return Err(StoreError::damaged(
            path,
            "the file is gone, but its write-ahead log is still there",
        ));
    }
    let new = beside(path, ".new");
    remove_if_there(&new).map_err(StoreError::io(&new))?;
    remove_if_there(&beside(&new, "-journal")).map_err(StoreError::io(&new))?;
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(FILE_MODE)
        .open(&new)
        .map_err(StoreError::io(&new))?;
    let sql = StoreError::sql(&new);
    let mut conn =
        Connection::open_with_flags(&new, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(&sql)?;
    conn.pragma_update(None, "synchronous", "EXTRA")
        .and_then(|()| conn.pragma_update(None, "application_id", APPLICATION_ID))
        .map_err(&sql)?;
    migrate(&mut conn, migrations, 0).map_err(&sql)?;
    conn.close().map_err(|(_, e)| sql(e))?;
    std::fs::rename(&new, path).map_err(StoreError::io(path))?;
    sync_directory_of(path).map_err(StoreError::io(path))
}

fn prepare(
    conn: &mut Connection,
    path: &Path,
    migrations: &[&str],
    bytes: u64,
) -> Result<(), StoreError> {
    let sql = StoreError::sql(path);
    conn.busy_timeout(BUSY_WAIT).map_err(&sql)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let application: i32 = conn
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(&sql)?;
    if application != APPLICATION_ID {
        return Err(StoreError::damaged(path, "it is not the store of a hub"));
    }
    let version: u32 = conn
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(&sql)?;
    let known = migrations.len() as u32;
    if version > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found: version,
            known,
        });
    }
    durable(conn, path)?;
    if bytes <= CHECKED_BYTES_MAX {
        let verdict: String = conn
            .pragma_query_value(None, "quick_check", |row| row.get(0))
            .map_err(&sql)?;
        if verdict != "ok" {
            return Err(StoreError::damaged(path, verdict));
        }
    }
    migrate(conn, migrations, version as usize).map_err(&sql)
}

/// Sets what makes an acknowledged commit survive a power cut, and reads it back: SQLite ignores a setting that it
/// can't fulfil, for example the log on a file system without shared memory.
fn durable(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let sql = StoreError::sql(path);
    set(conn, "journal_mode", "WAL").map_err(&sql)?;
    conn.pragma_update(None, "synchronous", "FULL")
        .map_err(&sql)?;
    conn.pragma_update(None, "foreign_keys", true)
        .map_err(&sql)?;
    set(conn, "journal_size_limit", LOG_BYTES_KEPT).map_err(&sql)?;
    // Negative: KiB.
    conn.pragma_update(None, "cache_size", -CACHE_KIB)
        .map_err(&sql)?;
    let mode: String = conn
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(&sql)?;
    let synchronous: i64 = conn
        .pragma_query_value(None, "synchronous", |row| row.get(0))
        .map_err(&sql)?;
    for (pragma, found, needed) in [
        ("journal_mode", mode, "wal"),
        ("synchronous", synchronous.to_string(), "2"),
    ] {
        if found != needed {
            return Err(StoreError::NotDurable {
                path: path.to_owned(),
                pragma,
                found,
                needed,
            });
        }
    }
    Ok(())
}

/// Sets a pragma that answers with a row. All of the answer is read: the database file changes with its end, and so does an
/// error show that keeps it as it was; the pragma itself would go on to say what was wanted.
fn set(conn: &Connection, pragma: &str, value: impl Display) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(&format!("PRAGMA {pragma} = {value}"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Moves the database up from version `from`; each step is one transaction with its version number.
fn migrate(conn: &mut Connection, migrations: &[&str], from: usize) -> rusqlite::Result<()> {
    for (at, step) in migrations.iter().enumerate().skip(from) {
        let transaction = conn.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", at + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.db");
        (dir, path)
    }

    fn version(conn: &Connection) -> u32 {
        conn.pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn an_older_database_is_moved_up_and_keeps_its_rows() {
        let (_dir, path) = store();
        let older = ["CREATE TABLE a (x INTEGER)"];
        let conn = open_writer_with(&path, &older).unwrap();
        conn.execute("INSERT INTO a VALUES (7)", []).unwrap();
        assert_eq!(version(&conn), 1);
        drop(conn);

        let newer = [older[0], "ALTER TABLE a ADD COLUMN y INTEGER DEFAULT 1"];
        let conn = open_writer_with(&path, &newer).unwrap();
        assert_eq!(version(&conn), 2);
        let sum: i64 = conn
            .query_row("SELECT x + y FROM a", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sum, 8);
    }

    #[test]
    fn a_failed_step_leaves_the_older_version() {
        let (_dir, path) = store();
        let older = ["CREATE TABLE a (x INTEGER)"];
        drop(open_writer_with(&path, &older).unwrap());
        let broken = [
            older[0],
            "CREATE TABLE b (x); INSERT INTO missing VALUES (1)",
        ];
        assert!(matches!(
            open_writer_with(&path, &broken),
            Err(StoreError::Database { .. })
        ));
        let conn = open_writer_with(&path, &older).unwrap();
        assert_eq!(version(&conn), 1);
        assert!(conn.prepare("SELECT * FROM b").is_err());
    }

    #[test]
    fn a_newer_database_is_refused_and_untouched() {
        let (_dir, path) = store();
        let conn = open_writer(&path).unwrap();
        conn.pragma_update(None, "user_version", SCHEMA_VERSION + 1)
            .unwrap();
        drop(conn);
        let before = std::fs::read(&path).unwrap();
        let error = open_writer(&path).err().unwrap();
        assert!(
            matches!(error, StoreError::Newer { found, known, .. } if found == known + 1),
            "{error}"
        );
        assert!(error.to_string().contains("run the release that wrote it"));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn damage_is_reported_by_name_and_nothing_is_recreated() {
        type Damage = fn(&Path);
        let cases: [(&str, Damage); 5] = [
            ("the file is empty", |p| std::fs::write(p, "").unwrap()),
            ("not a database", |p| {
                std::fs::write(
                    p,
                    "not a database at all, but long enough to have a header ".repeat(99),
                )
                .unwrap()
            }),
            ("not the store of a hub", |p| {
                std::fs::remove_file(p).unwrap();
                Connection::open(p)
                    .unwrap()
                    .execute_batch("CREATE TABLE foreign_table (x)")
                    .unwrap();
            }),
            ("malformed", |p| {
                let bytes = std::fs::read(p).unwrap();
                std::fs::write(p, &bytes[..bytes.len() / 2]).unwrap();
            }),
            ("write-ahead log is still there", |p| {
                std::fs::remove_file(p).unwrap();
                std::fs::write(beside(p, "-wal"), "rest").unwrap();
            }),
        ];
        for (expected, damage) in cases {
            let (_dir, path) = store();
            drop(open_writer(&path).unwrap());
            damage(&path);
            let before = std::fs::read(&path).ok();
            let error = open_writer(&path).err().unwrap();
            let text = error.to_string();
            assert!(matches!(error, StoreError::Damaged { .. }), "{text}");
            assert!(text.contains("hub.db") && text.contains(expected), "{text}");
            assert_eq!(std::fs::read(&path).ok(), before, "{expected}");
        }
    }

    #[test]
    fn an_unfinished_creation_is_begun_again() {
        let (_dir, path) = store();
        std::fs::write(beside(&path, ".new"), "half a database").unwrap();
        assert_eq!(version(&open_writer(&path).unwrap()), SCHEMA_VERSION);
        assert!(!beside(&path, ".new").exists());
    }

    #[test]
    fn a_database_in_memory_is_not_durable() {
        // In memory there is no log: the setting is ignored, and that has to be noticed.
        let conn = Connection::open_in_memory().unwrap();
        let error = durable(&conn, Path::new("memory")).unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::NotDurable {
                    pragma: "journal_mode",
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn only_the_owner_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, path) = store();
        let _conn = open_writer(&path).unwrap();
        for file in [path.clone(), beside(&path, "-wal")] {
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, FILE_MODE, "{}", file.display());
        }
    }
}
