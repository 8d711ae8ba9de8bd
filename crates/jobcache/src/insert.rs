//! Rows that go out together: a database may be far away, and a journey for each row would take longer than a batch may.

use crate::session::Session;

/// Rows of one statement.
pub(crate) const ROWS_MAX: usize = 100;
/// Bytes of values of one statement, unless a single row has more: what every server takes in one packet.
const BYTES_MAX: usize = 1 << 20;

/// One table that gets rows, in as few statements as they fit in.
pub(crate) struct Insert<'s> {
    session: &'s mut Session,
    /// The statement up to its values.
    into: &'static str,
    /// The values of one row, with `?` for each.
    row: &'static str,
    values: Vec<String>,
    rows: usize,
    bytes: usize,
}

impl<'s> Insert<'s> {
    pub(crate) fn new(
        session: &'s mut Session,
        into: &'static str,
        row: &'static str,
    ) -> Insert<'s> {
        Insert {
            session,
            into,
            row,
            values: Vec::new(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Takes a row; it is written with those after it.
    pub(crate) async fn push<const COLUMNS: usize>(
        &mut self,
        row: [String; COLUMNS],
    ) -> Result<(), sqlx::Error> {
        let bytes: usize = row.iter().map(String::len).sum();
        if self.rows >= ROWS_MAX || (self.rows > 0 && self.bytes + bytes > BYTES_MAX) {
            self.flush().await?;
        }
        self.values.extend(row);
        self.rows += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// Writes what is left.
    pub(crate) async fn end(mut self) -> Result<(), sqlx::Error> {
        if self.rows > 0 {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), sqlx::Error> {
        let rows = vec![self.row; self.rows].join(", ");
        let statement = format!("{} VALUES {rows}", self.into);
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        self.session.run(&statement, &values).await?;
        self.values.clear();
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}
