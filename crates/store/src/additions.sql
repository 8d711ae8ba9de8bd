-- Tables that an older release neither needs nor minds: they are made where they are missing, and the version stays, so that
-- a hub can go one release back.

-- How a job is rolled out, entry by entry.
CREATE TABLE IF NOT EXISTS job_plan (
  id INTEGER PRIMARY KEY,
  job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
  entry BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS job_plan_of ON job_plan (job);
-- Adoptions alone: entries that begin as `PlanRecord::Owned` is encoded.
CREATE INDEX IF NOT EXISTS job_plan_owned ON job_plan (job) WHERE substr(entry, 1, 1) = x'09';

-- Jobs of the hub's own of which a parent has yet to hear.
CREATE TABLE IF NOT EXISTS job_untold (job INTEGER PRIMARY KEY REFERENCES job ON DELETE CASCADE);

-- What lists of jobs are searched by, in their order; and whom each job is for, a set of roster numbers.
CREATE TABLE IF NOT EXISTS job_search (
  jid TEXT PRIMARY KEY REFERENCES job (jid) ON DELETE CASCADE,
  fun TEXT NOT NULL,
  target TEXT NOT NULL,
  user TEXT NOT NULL,
  state INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS job_search_user ON job_search (user, jid);
CREATE TABLE IF NOT EXISTS job_who (
  jid TEXT PRIMARY KEY REFERENCES job (jid) ON DELETE CASCADE,
  who BLOB NOT NULL
) WITHOUT ROWID;

-- What came of calls of runners, JSON text.
CREATE TABLE IF NOT EXISTS runner_call (jid TEXT PRIMARY KEY, answer BLOB NOT NULL);

-- Decisions about keys that wait for hubs that are cut off.
CREATE TABLE IF NOT EXISTS undelivered (
  hub BLOB NOT NULL,
  uid BLOB NOT NULL,
  decision BLOB NOT NULL,
  PRIMARY KEY (hub, uid)
) WITHOUT ROWID;

-- Changes that a job cache outside has yet to get; numbers are never given again.
CREATE TABLE IF NOT EXISTS job_change (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
  news INTEGER
);
CREATE INDEX IF NOT EXISTS job_change_of ON job_change (job);

-- Orchestrations of this hub.
CREATE TABLE IF NOT EXISTS run (
  jid TEXT PRIMARY KEY,
  open INTEGER NOT NULL,
  started INTEGER NOT NULL,
  summary BLOB NOT NULL,
  record BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS run_of ON run (open, started);

-- Runs that minions began themselves; numbers are never given again. And up to which number each parent has them.
CREATE TABLE IF NOT EXISTS own_run (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  jid TEXT NOT NULL,
  uid BLOB NOT NULL,
  received INTEGER NOT NULL,
  record BLOB NOT NULL,
  UNIQUE (jid, uid)
);
CREATE INDEX IF NOT EXISTS own_run_received ON own_run (received);
CREATE TABLE IF NOT EXISTS own_run_told (parent BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
