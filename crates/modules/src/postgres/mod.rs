//! PostgreSQL servers, asked through `psql`.

mod csv;
pub(crate) mod databases;
pub(crate) mod extensions;
pub(crate) mod passwords;
pub(crate) mod privileges;
pub(crate) mod roles;

use std::io::Write;
use std::os::unix::fs::fchown;
use std::path::PathBuf;

use nix::unistd::User;
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use crate::call::Call;
use crate::failure::Failure;
use crate::process::which;
use crate::python;
use crate::registry::Env;
use crate::signature::Args;

/// The account of the host that a server of this host is asked as.
const ACCOUNT: &str = "postgres";
/// The database that is asked when nothing is said.
const DATABASE: &str = "postgres";

/// A row of an answer: texts by the names of the columns.
pub(crate) type Row = Map<String, Value>;

/// A server, and as whom it is asked.
pub(crate) struct Server<'a> {
    env: &'a Env<'a>,
    psql: PathBuf,
    user: Option<String>,
    host: Option<String>,
    port: Option<String>,
    database: String,
    password: Option<String>,
    runas: Option<String>,
    timeout: Value,
}

impl<'a> Server<'a> {
    /// The server that a function's arguments name.
    pub(crate) fn of_function(args: &Args, env: &'a Env<'a>) -> Result<Server<'a>, Failure> {
        let names = [
            "user",
            "host",
            "port",
            "maintenance_db",
            "password",
            "runas",
        ];
        Server::of(args, env, names)
    }

    /// The server that a state's arguments name.
    pub(crate) fn of_state(args: &Args, env: &'a Env<'a>) -> Result<Server<'a>, Failure> {
        let names = [
            "db_user",
            "db_host",
            "db_port",
            "maintenance_db",
            "db_password",
            "user",
        ];
        Server::of(args, env, names)
    }

    /// The server that a state's arguments name, with the database `dbname`.
    pub(crate) fn of_database(args: &Args, env: &'a Env<'a>) -> Result<Server<'a>, Failure> {
        let names = [
            "db_user",
            "db_host",
            "db_port",
            "dbname",
            "db_password",
            "user",
        ];
        Server::of(args, env, names)
    }

    fn of(args: &Args, env: &'a Env<'a>, names: [&str; 6]) -> Result<Server<'a>, Failure> {
        let said = |name: &str| -> Result<Option<String>, Failure> {
            Ok(args.optional_text(name)?.filter(|text| !text.is_empty()))
        };
        let or_option = |name: &str, option: &str| -> Result<Option<String>, Failure> {
            match said(name)? {
                Some(text) => Ok(Some(text)),
                None => self::option(env, option),
            }
        };
        let [user, host, port, database, password, runas] = names;
        let host = or_option(host, "host")?;
        let is_here = host.as_deref().is_none_or(|host| host.starts_with('/'));
        let runas = said(runas)?.or_else(|| is_here.then(|| ACCOUNT.to_owned()));
        Ok(Server {
            env,
            psql: psql(env)?.ok_or_else(|| Failure::MissingProgram("psql".to_owned()))?,
            user: or_option(user, "user")?,
            host,
            port: or_option(port, "port")?,
            database: or_option(database, "maintenance_db")?.unwrap_or(DATABASE.to_owned()),
            password: or_option(password, "pass")?,
            runas,
            timeout: json!(option(env, "timeout")?.and_then(|text| text.parse::<f64>().ok())),
        })
    }

    /// Runs `psql` with these words behind the server; `input` is its standard input.
    fn run(&self, words: &[&str], input: Option<&str>) -> Result<Value, Failure> {
        let mut line = vec![self.psql.to_string_lossy().into_owned()];
        let fixed = [
            "--no-align",
            "--no-readline",
            "--no-psqlrc",
            "--no-password",
        ];
        line.extend(fixed.map(str::to_owned));
        for (word, value) in [
            ("--username", &self.user),
            ("--host", &self.host),
            ("--port", &self.port),
            ("--dbname", &Some(self.database.clone())),
        ] {
            line.extend(
                value
                    .iter()
                    .flat_map(|value| [word.to_owned(), value.clone()]),
            );
        }
        line.extend(words.iter().map(|&word| word.to_owned()));
        let mut call = Call::new("cmd.run_all")
            .arg(line)
            .kwarg("python_shell", false)
            .kwarg("clean_env", true)
            .kwarg("ignore_retcode", true)
            .kwarg("reset_system_locale", false);
        if let Some(runas) = &self.runas {
            call = call.kwarg("runas", runas.as_str());
        }
        if !self.timeout.is_null() {
            call = call.kwarg("timeout", self.timeout.clone());
        }
        if let Some(input) = input {
            call = call.kwarg("stdin", input);
        }
        // It goes when the program has ended.
        let file = self.password_file()?;
        if let Some(file) = &file {
            call = call.kwarg("env", json!({"PGPASSFILE": file.path()}));
        }
        self.env.call(&call).map(|outcome| outcome.value)
    }

    /// The file in which `psql` looks for the password, for its account alone.
    fn password_file(&self) -> Result<Option<NamedTempFile>, Failure> {
        let Some(password) = &self.password else {
            return Ok(None);
        };
        let broken = |error| Failure::io("the password file", error);
        let mut file = NamedTempFile::new().map_err(broken)?;
        let host = self.host.as_deref().filter(|host| !host.starts_with('/'));
        let escaped = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
        let line = format!(
            "{}:{}:*:{}:{}",
            escaped(host.unwrap_or("localhost")),
            self.port.as_deref().unwrap_or("*"),
            escaped(
                self.user
                    .as_ref()
                    .or(self.runas.as_ref())
                    .map_or("*", String::as_str)
            ),
            escaped(password)
        );
        file.write_all(line.as_bytes()).map_err(broken)?;
        if let Some(account) = self
            .runas
            .as_deref()
            .and_then(|name| User::from_name(name).ok()?)
        {
            fchown(&file, Some(account.uid.as_raw()), None).map_err(broken)?;
        }
        Ok(Some(file))
    }

    /// Whether a statement succeeds.
    pub(crate) fn execute(&self, statement: &str) -> Result<bool, Failure> {
        Ok(self.run(&["-c", statement], None)?["retcode"] == 0)
    }

    /// Whether statements succeed, all or none, which nobody sees in the list of processes.
    pub(crate) fn execute_unseen(&self, statements: &str) -> Result<bool, Failure> {
        let words = [
            "-v",
            "ON_ERROR_STOP=1",
            "--single-transaction",
            "--file",
            "-",
        ];
        Ok(self.run(&words, Some(statements))?["retcode"] == 0)
    }

    /// The rows of a SELECT; none when it fails, as with Salt.
    pub(crate) fn query(&self, select: &str) -> Result<Vec<Row>, Failure> {
        let select = select.trim().trim_end_matches(';');
        let copy = format!("COPY ({select}) TO STDOUT WITH CSV HEADER");
        // Dates are read, whatever the server is set to.
        let ran = self.run(&["-v", "datestyle=ISO,MDY", "-c", &copy], None)?;
        if ran["retcode"] != 0 {
            return Ok(Vec::new());
        }
        let mut lines = csv::read(&python::text(&ran["stdout"])).into_iter();
        let head = lines.next().unwrap_or_default();
        let row = |line: Vec<String>| {
            let values = line.into_iter().map(Value::from);
            head.iter().cloned().zip(values).collect()
        };
        Ok(lines.map(row).collect())
    }

    /// The version of the server; none when it does not answer.
    pub(crate) fn version(&self) -> Result<Option<String>, Failure> {
        let select = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'server_version'";
        let ran = self.run(&["-c", select, "-t"], None)?;
        let text = python::text(&ran["stdout"]);
        let line = text.lines().next().map(str::to_owned);
        Ok(line.filter(|line| !line.is_empty()))
    }
}

/// The program; none where there is none.
pub(crate) fn psql(env: &Env) -> Result<Option<PathBuf>, Failure> {
    if let Some(folder) = option(env, "bins_dir")? {
        let found = which(&format!("{}/psql", folder.trim_end_matches('/')));
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(which("psql"))
}

/// A setting `postgres.…` of the minion, its grains or its pillar.
fn option(env: &Env, name: &str) -> Result<Option<String>, Failure> {
    let call = Call::new("config.option").arg(format!("postgres.{name}"));
    let value = env.call(&call)?.value;
    let text = python::text(&value);
    Ok(Some(text).filter(|text| !value.is_null() && !text.is_empty()))
}

/// The rows by what they have in a column, which is taken out of them.
pub(crate) fn by_column(rows: Vec<Row>, column: &str) -> Map<String, Value> {
    let name = |mut row: Row| {
        let name = row.shift_remove(column)?;
        Some((python::text(&name), Value::Object(row)))
    };
    rows.into_iter().filter_map(name).collect()
}

/// What a row has in a column.
pub(crate) fn cell<'r>(row: &'r Row, column: &str) -> &'r str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

/// A text as a literal of SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name of SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
