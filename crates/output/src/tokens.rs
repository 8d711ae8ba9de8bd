//! Join tokens in force.

use wire::control::TokenRow;

use crate::escape::escape;
use crate::number::grouped;
use crate::table::{Align, table};
use crate::time::iso;

/// One line for each token: what may join with it, under which ids, how long and how often.
pub fn tokens(rows: &[TokenRow]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let ids = if row.ids.is_empty() {
                "*".to_owned()
            } else {
                escape(&row.ids.join(",")).into_owned()
            };
            vec![
                escape(&row.name).into_owned(),
                row.role.to_string(),
                grouped(row.uses_left.into()),
                iso(row.expires),
                ids,
            ]
        })
        .collect();
    let columns = [
        ("NAME", Align::Left),
        ("ROLE", Align::Left),
        ("USES LEFT", Align::Right),
        ("EXPIRES", Align::Left),
        ("IDS", Align::Left),
    ];
    table(&columns, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Role;

    #[test]
    fn one_line_for_each_token() {
        let row = |ids: &[&str]| TokenRow {
            name: "t1".to_owned(),
            role: Role::Minion,
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            expires: crate::sample::NOW,
            uses_left: 1_000,
        };
        assert_eq!(
            tokens(&[row(&[]), row(&["web*", "db*"])]),
            "\
NAME  ROLE    USES LEFT  EXPIRES                   IDS
t1    minion      1,000  2026-11-22T23:15:56.000Z  *
t1    minion      1,000  2026-11-22T23:15:56.000Z  web*,db*
"
        );
    }
}
