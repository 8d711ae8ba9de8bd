//! Salt's tables, as they are made where an operator asks for it.

/// Whose tables they are: Salt's three returners for databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `mysql`: MySQL, MariaDB and what speaks their protocol.
    Mysql,
    /// `pgjsonb`: PostgreSQL with values as jsonb.
    Pgjsonb,
    /// `postgres`: PostgreSQL with values as text.
    Postgres,
}

/// The statements that make the tables that are missing, in order.
pub fn schema(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Mysql => &[
            "CREATE TABLE IF NOT EXISTS jids (jid varchar(255) NOT NULL, `load` mediumtext NOT NULL, PRIMARY KEY (jid))",
            "CREATE TABLE IF NOT EXISTS salt_returns (fun varchar(50) NOT NULL, jid varchar(255) NOT NULL, `return` mediumtext NOT NULL, id varchar(255) NOT NULL, success varchar(10) NOT NULL, full_ret mediumtext NOT NULL, alter_time timestamp DEFAULT CURRENT_TIMESTAMP, KEY id (id), KEY jid (jid), KEY fun (fun))",
            "CREATE TABLE IF NOT EXISTS salt_events (id bigint NOT NULL AUTO_INCREMENT, tag varchar(255) NOT NULL, data mediumtext NOT NULL, alter_time timestamp DEFAULT CURRENT_TIMESTAMP, master_id varchar(255) NOT NULL, PRIMARY KEY (id), KEY tag (tag))",
            "CREATE TABLE IF NOT EXISTS banyan_exports (hub varchar(64) NOT NULL, through varchar(20) NOT NULL, PRIMARY KEY (hub))",
        ],
        Dialect::Pgjsonb => &[
            "CREATE TABLE IF NOT EXISTS jids (jid varchar(255) NOT NULL PRIMARY KEY, load jsonb NOT NULL)",
            "CREATE TABLE IF NOT EXISTS salt_returns (fun varchar(50) NOT NULL, jid varchar(255) NOT NULL, return jsonb NOT NULL, id varchar(255) NOT NULL, success varchar(10) NOT NULL, full_ret jsonb NOT NULL, alter_time timestamp with time zone DEFAULT now())",
            "CREATE INDEX IF NOT EXISTS idx_salt_returns_id ON salt_returns (id)",
            "CREATE INDEX IF NOT EXISTS idx_salt_returns_jid ON salt_returns (jid)",
            "CREATE INDEX IF NOT EXISTS idx_salt_returns_fun ON salt_returns (fun)",
            "CREATE TABLE IF NOT EXISTS salt_events (id bigserial NOT NULL PRIMARY KEY, tag varchar(255) NOT NULL, data jsonb NOT NULL, alter_time timestamp with time zone DEFAULT now(), master_id varchar(255) NOT NULL)",
            "CREATE INDEX IF NOT EXISTS idx_salt_events_tag ON salt_events (tag)",
            "CREATE TABLE IF NOT EXISTS banyan_exports (hub varchar(64) NOT NULL PRIMARY KEY, through varchar(20) NOT NULL)",
        ],
        Dialect::Postgres => &[
            "CREATE TABLE IF NOT EXISTS jids (jid varchar(20) NOT NULL PRIMARY KEY, load text NOT NULL)",
            "CREATE TABLE IF NOT EXISTS salt_returns (fun varchar(50) NOT NULL, jid varchar(255) NOT NULL, return text NOT NULL, full_ret text, id varchar(255) NOT NULL, success varchar(10) NOT NULL, alter_time timestamp with time zone DEFAULT now())",
            "CREATE INDEX IF NOT EXISTS idx_salt_returns_id ON salt_returns (id)",
            "CREATE INDEX IF NOT EXISTS idx_salt_returns_jid ON salt_returns (jid)",
            "CREATE INDEX IF NOT EXISTS idx_salt_returns_fun ON salt_returns (fun)",
            "CREATE TABLE IF NOT EXISTS salt_events (id bigserial NOT NULL PRIMARY KEY, tag varchar(255) NOT NULL, data text NOT NULL, alter_time timestamp with time zone DEFAULT now(), master_id varchar(255) NOT NULL)",
            "CREATE INDEX IF NOT EXISTS idx_salt_events_tag ON salt_events (tag)",
            "CREATE TABLE IF NOT EXISTS banyan_exports (hub varchar(64) NOT NULL PRIMARY KEY, through varchar(20) NOT NULL)",
        ],
    }
}
