//! What roles may do with the objects of a server.

use std::collections::BTreeMap;

use super::{Server, cell, literal, quoted};
use crate::failure::Failure;

/// Letters of access lists.
const LETTERS: [(char, &str); 13] = [
    ('a', "INSERT"),
    ('C', "CREATE"),
    ('D', "TRUNCATE"),
    ('c', "CONNECT"),
    ('t', "TRIGGER"),
    ('r', "SELECT"),
    ('U', "USAGE"),
    ('T', "TEMPORARY"),
    ('w', "UPDATE"),
    ('X', "EXECUTE"),
    ('x', "REFERENCES"),
    ('d', "DELETE"),
    ('m', "MAINTAIN"),
];

/// Kinds of objects with the letters of what may be done with them.
const KINDS: [(&str, &str); 8] = [
    ("table", "arwdDxtm"),
    ("tablespace", "C"),
    ("language", "U"),
    ("sequence", "rwU"),
    ("schema", "UC"),
    ("database", "CTc"),
    ("function", "X"),
    ("group", ""),
];

const ALL: &str = "ALL";

/// Privileges of a role on an object.
#[derive(Debug)]
pub(crate) struct Privileges<'a> {
    pub(crate) role: &'a str,
    object: &'a str,
    kind: &'static str,
    /// The schema of tables, sequences and functions.
    schema: &'a str,
    /// In capitals; none for groups.
    wanted: Vec<String>,
    /// Whether the role may hand them on.
    with_grant: bool,
}

impl<'a> Privileges<'a> {
    /// Checks what is wanted of an object.
    pub(crate) fn new(
        role: &'a str,
        object: &'a str,
        kind: &str,
        schema: &'a str,
        wanted: &[String],
        with_grant: bool,
    ) -> Result<Privileges<'a>, Failure> {
        let lower = kind.to_lowercase();
        let Some((kind, _)) = KINDS.into_iter().find(|(known, _)| *known == lower) else {
            return Err(Failure::invocation(format!(
                "Invalid object_type: {kind} provided"
            )));
        };
        let shown = wanted.join(",");
        let wanted: Vec<String> = wanted
            .iter()
            .map(|word| word.trim().to_uppercase())
            .collect();
        if kind == "group" && !wanted.is_empty() {
            return Err(Failure::invocation(
                "The privileges option should not be set for object_type group",
            ));
        }
        let possible = possible(kind);
        let is_possible = |word: &String| word == ALL || possible.contains(&word.as_str());
        if kind != "group" && (wanted.is_empty() || !wanted.iter().all(is_possible)) {
            return Err(Failure::invocation(format!(
                "Invalid privilege(s): {shown} provided for object {kind}"
            )));
        }
        Ok(Privileges {
            role,
            object,
            kind,
            schema,
            wanted,
            with_grant,
        })
    }

    /// Whether the role has them. Owners have all.
    pub(crate) fn are_set(&self, server: &Server) -> Result<bool, Failure> {
        if self.kind != "group" && self.owner(server)?.as_deref() == Some(self.role) {
            return Ok(true);
        }
        if self.kind == "group" {
            let members = server.query(&format!(
                "SELECT rolname, admin_option FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON m.member=r.oid \
                 WHERE m.roleid IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolname={}) ORDER BY rolname",
                literal(self.object)
            ))?;
            let own = members.iter().find(|row| cell(row, "rolname") == self.role);
            return Ok(own.is_some_and(|row| !self.with_grant || cell(row, "admin_option") == "t"));
        }
        let Some(set) = self.list(server)?.remove(self.role) else {
            return Ok(false);
        };
        let possible = possible(self.kind);
        if self.with_grant {
            return Ok(set.len() == possible.len() && set.values().all(|may_grant| *may_grant));
        }
        if self.wanted.iter().any(|word| word == ALL) {
            return Ok(possible.len() == set.len());
        }
        Ok(self
            .wanted
            .iter()
            .all(|word| set.contains_key(word.as_str())))
    }

    /// Gives them to the role.
    pub(crate) fn grant(&self, server: &Server) -> Result<bool, Failure> {
        let option = match (self.with_grant, self.kind) {
            (false, _) => "",
            (true, "group") => " WITH ADMIN OPTION",
            (true, _) => " WITH GRANT OPTION",
        };
        let role = quoted(self.role);
        let statement = if self.kind == "group" {
            format!("GRANT {} TO {role}{option}", quoted(self.object))
        } else {
            format!(
                "GRANT {} ON {} TO {role}{option}",
                self.wanted.join(","),
                self.target()
            )
        };
        server.execute(&statement)
    }

    /// Takes them from the role.
    pub(crate) fn revoke(&self, server: &Server) -> Result<bool, Failure> {
        let role = quoted(self.role);
        let statement = if self.kind == "group" {
            format!("REVOKE {} FROM {role}", quoted(self.object))
        } else {
            format!(
                "REVOKE {} ON {} FROM {role}",
                self.wanted.join(","),
                self.target()
            )
        };
        server.execute(&statement)
    }

    /// What they are, for people.
    pub(crate) fn words(&self, said: Option<&str>) -> String {
        if self.kind == "group" {
            return self.object.to_owned();
        }
        said.unwrap_or("None").to_owned()
    }

    fn lies_in_schema(&self) -> bool {
        ["table", "sequence", "function"].contains(&self.kind)
    }

    fn target(&self) -> String {
        let kind = self.kind.to_uppercase();
        let schema = quoted(self.schema);
        if self.lies_in_schema() && self.object.eq_ignore_ascii_case(ALL) {
            return format!("ALL {kind}S IN SCHEMA {schema}");
        }
        match self.kind {
            // Its arguments are a part of its name.
            "function" => format!("{kind} {schema}.{}", self.object),
            _ if self.lies_in_schema() => format!("{kind} {schema}.{}", quoted(self.object)),
            _ => format!("{kind} {}", quoted(self.object)),
        }
    }

    fn owner(&self, server: &Server) -> Result<Option<String>, Failure> {
        let (object, schema) = (literal(self.object), literal(self.schema));
        let select = match self.kind {
            "table" => format!(
                "SELECT tableowner AS name FROM pg_tables WHERE schemaname = {schema} AND tablename = {object}"
            ),
            "sequence" => format!(
                "SELECT rolname AS name FROM pg_catalog.pg_class c JOIN pg_roles r ON c.relowner = r.oid \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE relkind='S' AND nspname={schema} AND relname = {object}"
            ),
            "schema" => format!(
                "SELECT rolname AS name FROM pg_namespace n JOIN pg_roles r ON n.nspowner = r.oid WHERE nspname = {object}"
            ),
            "function" => format!(
                "SELECT rolname AS name FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
                 JOIN pg_catalog.pg_roles r ON p.proowner = r.oid WHERE nspname = {schema} AND p.oid::regprocedure::text = {object}"
            ),
            "tablespace" => format!(
                "SELECT rolname AS name FROM pg_tablespace t JOIN pg_roles r ON t.spcowner = r.oid WHERE spcname = {object}"
            ),
            "language" => format!(
                "SELECT rolname AS name FROM pg_language l JOIN pg_roles r ON l.lanowner = r.oid WHERE lanname = {object}"
            ),
            _ => format!(
                "SELECT rolname AS name FROM pg_database d JOIN pg_roles r ON d.datdba = r.oid WHERE datname = {object}"
            ),
        };
        let rows = server.query(&select)?;
        Ok(rows.first().map(|row| cell(row, "name").to_owned()))
    }

    /// What each role may do with the object, and whether it may hand that on.
    fn list(
        &self,
        server: &Server,
    ) -> Result<BTreeMap<String, BTreeMap<&'static str, bool>>, Failure> {
        let (object, schema) = (literal(self.object), literal(self.schema));
        let relation = |kinds: &str| {
            format!(
                "SELECT relacl AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE nspname = {schema} AND relname = {object} AND relkind in ({kinds}) ORDER BY relname"
            )
        };
        let select = match self.kind {
            "table" => relation("'r', 'v'"),
            "sequence" => relation("'S'"),
            "schema" => format!(
                "SELECT nspacl AS name FROM pg_catalog.pg_namespace WHERE nspname = {object}"
            ),
            "function" => format!(
                "SELECT proacl AS name FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
                 WHERE nspname = {schema} AND p.oid::regprocedure::text = {object}"
            ),
            "tablespace" => format!(
                "SELECT spcacl AS name FROM pg_catalog.pg_tablespace WHERE spcname = {object}"
            ),
            "language" => format!(
                "SELECT lanacl AS name FROM pg_catalog.pg_language WHERE lanname = {object}"
            ),
            _ => format!(
                "SELECT datacl AS name FROM pg_catalog.pg_database WHERE datname = {object}"
            ),
        };
        let rows = server.query(&select)?;
        Ok(rows
            .iter()
            .flat_map(|row| access(cell(row, "name")))
            .collect())
    }
}

fn possible(kind: &str) -> Vec<&'static str> {
    let letters = KINDS.iter().find(|(known, _)| *known == kind);
    let letters = letters.map_or("", |(_, letters)| letters);
    letters.chars().filter_map(word).collect()
}

fn word(letter: char) -> Option<&'static str> {
    let found = LETTERS.iter().find(|(known, _)| *known == letter);
    found.map(|(_, word)| *word)
}

/// Reads an access list, `{role=arwd*/owner,=r/owner}`.
fn access(list: &str) -> impl Iterator<Item = (String, BTreeMap<&'static str, bool>)> {
    let entries = list.trim_matches(['{', '}']).split(',');
    entries.filter_map(|entry| {
        let (role, letters) = entry.split('/').next()?.split_once('=')?;
        let role = role.trim_matches('"').trim_matches('\\').trim_matches('"');
        let role = if role.is_empty() { "public" } else { role };
        let mut set = BTreeMap::new();
        let mut last = None;
        for letter in letters.chars() {
            match (letter, last) {
                ('*', Some(last)) => drop(set.insert(last, true)),
                _ => {
                    last = word(letter);
                    set.extend(last.map(|word| (word, false)));
                }
            }
        }
        Some((role.to_owned(), set))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_lists_are_read() {
        let read: BTreeMap<_, _> = access("{owner=CTc/owner,=Tc/owner,app=r*w/owner}").collect();
        assert_eq!(
            read["public"].keys().copied().collect::<Vec<_>>(),
            ["CONNECT", "TEMPORARY"]
        );
        assert_eq!(
            read["app"],
            BTreeMap::from([("SELECT", true), ("UPDATE", false)])
        );
        assert_eq!(access("").count(), 0);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let check = |kind: &str, wanted: &[&str], expected: Option<&str>| {
            let wanted: Vec<String> = wanted.iter().map(|&word| word.to_owned()).collect();
            let made = Privileges::new("r", "o", kind, "public", &wanted, false);
            assert_eq!(
                made.err().map(|failure| failure.to_string()).as_deref(),
                expected
            );
        };
        check("Table", &["select", " all"], None);
        check("group", &[], None);
        check("house", &[], Some("Invalid object_type: house provided"));
        check(
            "database",
            &["SELECT"],
            Some("Invalid privilege(s): SELECT provided for object database"),
        );
        check(
            "group",
            &["ALL"],
            Some("The privileges option should not be set for object_type group"),
        );
    }

    #[test]
    fn targets_are_quoted() {
        let check = |kind: &str, object: &str, expected: &str| {
            let wanted = ["ALL".to_owned()];
            let made = Privileges::new("r", object, kind, "public", &wanted, false).unwrap();
            assert_eq!(made.target(), expected);
        };
        check("table", "a\"b", "TABLE \"public\".\"a\"\"b\"");
        check("table", "all", "ALL TABLES IN SCHEMA \"public\"");
        check("database", "d", "DATABASE \"d\"");
        check("function", "f(integer)", "FUNCTION \"public\".f(integer)");
    }
}
