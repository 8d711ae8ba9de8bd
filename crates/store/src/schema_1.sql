-- Blobs are values of the crate wire in its own encoding; the columns beside them are what is searched for.

-- Single values: the roster's epoch, the trust bundle, marks that must outlive the rows they come from.
CREATE TABLE fact (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;

CREATE TABLE node (number INTEGER PRIMARY KEY, record BLOB NOT NULL);
-- Nodes that left the roster: accounts of old jobs name them by number.
CREATE TABLE former_node (number INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE revocation (uid BLOB PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE child_mark (hub BLOB PRIMARY KEY, mark BLOB NOT NULL) WITHOUT ROWID;

-- The state of a job is rewritten often and listed often, so its order, which may be long, stands apart.
CREATE TABLE job (
  id INTEGER PRIMARY KEY,
  jid TEXT NOT NULL UNIQUE,
  open INTEGER NOT NULL,
  received INTEGER NOT NULL,
  summary BLOB
);
CREATE INDEX job_open ON job (id) WHERE open = 1;
CREATE INDEX job_closed ON job (received) WHERE open = 0;
CREATE TABLE job_head (job INTEGER PRIMARY KEY REFERENCES job ON DELETE CASCADE, head BLOB NOT NULL);
CREATE TABLE job_news (
  id INTEGER PRIMARY KEY,
  job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
  delta BLOB NOT NULL
);
CREATE INDEX job_news_of ON job_news (job);

-- Values of the shell.
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
