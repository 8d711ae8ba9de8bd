//! States of PostgreSQL before a program that plays `psql`. What it says is what a server of version 15 said.

use serde_json::{Value, json};

use crate::testing::Host;

/// A server with the roles, databases and privileges that the files below `DIR` have, one for each.
const PSQL: &str = r#"kept=DIR; mkdir -p $kept/roles $kept/databases $kept/granted $kept/schemas
last=; for word in "$@"; do before=$last; last=$word; done
case "$*" in
*"--file -"*) statement=$(cat);;
*" -t") statement=version;;
*) statement=$last;;
esac
echo "$statement" >> $kept/statements
echo "$PGPASSFILE" >> $kept/passfiles
name() { echo "$statement" | sed 's/^[A-Z ]*"\([^"]*\)".*/\1/'; }
case "$statement" in
version) echo 15.18;;
*"FROM pg_roles"*)
    echo 'name,superuser,inherits privileges,can create roles,can create databases,can update system catalogs,can login,replication,connections,groups,expiry time,defaults variables,password'
    for role in $kept/roles/*; do [ -f $role ] && cat $role; done;;
*"FROM pg_database pgd"*)
    echo 'Name,Owner,Encoding,Collate,Ctype,Access privileges,Tablespace'
    for base in $kept/databases/*; do [ -f $base ] && cat $base; done;;
*"::timestamp(0) as dt"*) echo dt; echo '2030-01-01 00:00:00';;
*"AS name FROM pg_database d"*) echo name; echo postgres;;
*"datacl AS name"*) echo name; if [ -f $kept/granted/app ]; then echo '"{postgres=CTc/postgres,app=c/postgres}"'; else echo '""'; fi;;
*"FROM pg_namespace)"*) echo name; ls $kept/schemas;;
"CREATE SCHEMA"*) echo "$*" > $kept/schemas/$(name);;
"DROP SCHEMA"*) rm $kept/schemas/$(name);;
*"FROM pg_tablespace pgts"*) echo Name,Owner,ACL,Opts,Location; [ -f $kept/space ] && echo 'ts,app,,{seq_page_cost=1.1},/srv/ts';;
"CREATE TABLESPACE \"ts\" OWNER \"app\" LOCATION '/srv/ts' WITH (\"seq_page_cost\" = '1.1')") touch $kept/space;;
"DROP TABLESPACE"*) rm $kept/space;;
"GRANT CONNECT ON DATABASE"*) touch $kept/granted/app;;
"REVOKE CONNECT ON DATABASE \"data\" FROM \"app\"") rm $kept/granted/app;;
"CREATE ROLE \"bad\""*) exit 3;;
"CREATE ROLE"*)
    hash=$(echo "$statement" | sed -n "s/.*PASSWORD '\([^']*\)'.*/\1/p")
    echo "$(name),f,t,f,t,,t,f,-1,{staff},,,$hash" > $kept/roles/$(name);;
"ALTER ROLE"*) sed -i 's/,f,t,f,t,/,f,t,t,t,/; s/{staff},,/{staff},2030-01-01 00:00:00,/' $kept/roles/$(name);;
"DROP ROLE"*) rm $kept/roles/$(name);;
"CREATE DATABASE"*) echo "$(name),app,UTF8,C.UTF-8,C.UTF-8,,pg_default" > $kept/databases/$(name);;
"ALTER DATABASE"*"OWNER TO"*) sed -i 's/,app,/,other,/' $kept/databases/$(name);;
"DROP DATABASE"*) rm $kept/databases/$(name);;
esac"#;

fn server(host: &Host) {
    host.program("psql", &PSQL.replace("DIR", &host.path("pg")));
}

/// Arguments for a server that is asked as the tests' own user.
fn here(mut args: Value) -> Value {
    args["db_host"] = json!("db1");
    args["db_password"] = json!("pa:ss");
    args
}

#[test]
fn users_are_kept() {
    let host = Host::new();
    let _root = host.lend_root();
    let missing = host.state("postgres_user.present", json!({"name": "app"}), false);
    assert_eq!(missing.result, Some(false));
    server(&host);
    let args =
        here(json!({"name": "app", "password": "secret", "createdb": true, "groups": "staff"}));
    let foretold = host.state("postgres_user.present", args.clone(), true);
    assert_eq!(foretold.comment, "User app is set to be created");
    let done = host.state("postgres_user.present", args.clone(), false);
    assert_eq!(done.comment, "The user app has been created");
    assert_eq!(Value::Object(done.changes), json!({"app": "Present"}));
    let statements = std::fs::read_to_string(host.path("pg/statements")).unwrap();
    let made = "CREATE ROLE \"app\" WITH INHERIT CREATEDB LOGIN ENCRYPTED PASSWORD 'md56a422f785c9e20873908ce25d1736ae2'; GRANT \"staff\" TO \"app\";\n";
    assert!(statements.contains(made), "{statements}");
    assert!(!statements.contains("secret"));
    // The file with the server's password is gone with the program.
    let files = std::fs::read_to_string(host.path("pg/passfiles")).unwrap();
    assert!(
        files
            .lines()
            .all(|file| !file.is_empty() && !std::path::Path::new(file).exists())
    );
    let again = host.state("postgres_user.present", args, false);
    assert_eq!(
        (again.result, again.comment.as_str()),
        (Some(true), "User app is already present")
    );
    let more = here(
        json!({"name": "app", "createroles": true, "valid_until": "2030-01-01", "groups": ["staff", "more"]}),
    );
    let done = host.state("postgres_user.present", more, false);
    assert_eq!(done.comment, "The user app has been updated");
    assert_eq!(
        Value::Object(done.changes),
        json!({"app": {"createroles": true, "valid_until": "2030-01-01", "groups": ["more"]}})
    );
    let failed = host.state("postgres_user.present", here(json!({"name": "bad"})), false);
    assert_eq!(
        (failed.result, failed.comment.as_str()),
        (Some(false), "Failed to create user bad")
    );
    let gone = here(json!({"name": "app"}));
    let foretold = host.state("postgres_user.absent", gone.clone(), true);
    assert_eq!(foretold.comment, "User app is set to be removed");
    let done = host.state("postgres_user.absent", gone.clone(), false);
    assert_eq!(done.comment, "User app has been removed");
    let again = host.state("postgres_user.absent", gone, false);
    assert_eq!(
        again.comment,
        "User app is not present, so it cannot be removed"
    );
}

#[test]
fn databases_are_kept() {
    let host = Host::new();
    let _root = host.lend_root();
    server(&host);
    let present = |args: Value, is_test: bool| {
        let done = host.state("postgres_database.present", here(args), is_test);
        (done.result, done.comment, Value::Object(done.changes))
    };
    let args = json!({"name": "data", "owner": "app", "encoding": "utf8"});
    assert_eq!(
        present(args.clone(), true),
        (
            None,
            "Database data is set to be created".to_owned(),
            json!({})
        )
    );
    assert_eq!(
        present(args.clone(), false),
        (
            Some(true),
            "The database data has been created".to_owned(),
            json!({"data": "Present"})
        )
    );
    let statements = std::fs::read_to_string(host.path("pg/statements")).unwrap();
    assert!(
        statements.contains("CREATE DATABASE \"data\" WITH OWNER = \"app\" ENCODING = 'utf8'\n")
    );
    assert_eq!(
        present(args, false),
        (
            Some(true),
            "Database data is already present".to_owned(),
            json!({})
        )
    );
    let other = json!({"name": "data", "owner": "other"});
    assert_eq!(
        present(other.clone(), true),
        (
            None,
            "Database data exists, but parameters need to be changed".to_owned(),
            json!({})
        )
    );
    assert_eq!(
        present(other, false),
        (
            Some(true),
            "Parameters for database data have been changed".to_owned(),
            json!({"data": "Parameters changed"})
        )
    );
    assert_eq!(
        present(json!({"name": "data", "encoding": "latin1"}), false),
        (
            Some(false),
            "Database data has wrong parameters which couldn't be changed on fly.".to_owned(),
            json!({})
        )
    );
    let done = host.state(
        "postgres_database.absent",
        here(json!({"name": "data"})),
        false,
    );
    assert_eq!(done.comment, "Database data has been removed");
}

#[test]
fn privileges_are_kept() {
    let host = Host::new();
    let _root = host.lend_root();
    server(&host);
    let args = here(json!({
        "name": "app", "object_name": "data", "object_type": "database", "privileges": ["CONNECT"],
    }));
    let done = host.applies("postgres_privileges.present", args.clone());
    assert_eq!(
        done.comment,
        "The privilege(s): CONNECT have been granted to app"
    );
    let done = host.state("postgres_privileges.absent", args.clone(), false);
    assert_eq!(
        done.comment,
        "The privilege(s): CONNECT have been revoked from app"
    );
    let again = host.state("postgres_privileges.absent", args, false);
    assert_eq!(
        again.comment,
        "The requested privilege(s) are not set so cannot be revoked"
    );
}

#[test]
fn schemas_and_tablespaces_are_kept() {
    let host = Host::new();
    let _root = host.lend_root();
    server(&host);
    let args = here(json!({"name": "s1", "dbname": "data", "owner": "app"}));
    let foretold = host.state("postgres_schema.present", args.clone(), true);
    assert_eq!(
        foretold.comment,
        "Schema s1 is set to be created in database data."
    );
    let done = host.applies("postgres_schema.present", args);
    assert_eq!(done.comment, "Schema s1 has been created in database data");
    assert_eq!(done.others["dbname"], "data");
    let asked = std::fs::read_to_string(host.path("pg/schemas/s1")).unwrap();
    assert!(
        asked.contains("--dbname data -c CREATE SCHEMA \"s1\" AUTHORIZATION \"app\""),
        "{asked}"
    );
    let gone = here(json!({"name": "s1", "dbname": "data"}));
    let done = host.state("postgres_schema.absent", gone.clone(), false);
    assert_eq!(
        done.comment,
        "Schema s1 has been removed from database data"
    );
    let again = host.state("postgres_schema.absent", gone, false);
    assert_eq!(
        again.comment,
        "Schema s1 is not present in database data, so it cannot be removed"
    );
    let args = here(json!({
        "name": "ts", "directory": "/srv/ts", "owner": "app", "options": {"seq_page_cost": 1.1},
    }));
    let done = host.applies("postgres_tablespace.present", args);
    assert_eq!(done.comment, "The tablespace ts has been created");
    let done = host.state(
        "postgres_tablespace.absent",
        here(json!({"name": "ts"})),
        false,
    );
    assert_eq!(done.comment, "Tablespace ts has been removed");
}
