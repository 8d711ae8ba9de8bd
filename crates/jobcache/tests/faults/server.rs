//! A private database server of Debian's packages: below a temporary directory, on a loopback port, ended by its id.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jobcache::{Cache, Dialect, Host, Place, Server, Tls};

/// A user without rights that every Debian has; database servers refuse to run as root.
const NOBODY: u32 = 65_534;
/// Of the user of the tests.
pub const PASSWORD: &str = "kept-to-itself";
const STARTS_WITHIN: Duration = Duration::from_secs(40);

/// What a node says of itself that is no part of a cluster.
const NO_PART: &str = "ERROR 1047";
/// What a server says.
const LOG: &str = "log";
/// What takes the room of a server's disk.
const FILL: &str = "fill";

pub struct Database {
    pub dialect: Dialect,
    pub port: u16,
    dir: Directory,
    child: Option<Child>,
    pub options: Vec<String>,
}

/// Where a server lives.
struct Directory {
    dir: tempfile::TempDir,
    is_disk: bool,
}

impl Directory {
    fn new() -> Directory {
        Directory::of(tempfile::tempdir().unwrap(), false)
    }

    /// One that the servers may write to.
    fn of(dir: tempfile::TempDir, is_disk: bool) -> Directory {
        if is_root() {
            std::os::unix::fs::chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        Directory { dir, is_disk }
    }

    /// On a disk of its own with so many MiB.
    fn disk(mib: u64) -> Directory {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]);
        assert!(mount.arg(dir.path()).status().unwrap().success());
        Directory::of(dir, true)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.is_disk {
            let _ = Command::new("umount")
                .arg("--lazy")
                .arg(self.path())
                .status();
        }
    }
}

impl Database {
    /// Makes and starts a server with an empty database.
    pub async fn start(dialect: Dialect) -> Database {
        Database::start_with(dialect, &[]).await
    }

    /// The same with more options of the server.
    pub async fn start_with(dialect: Dialect, options: &[String]) -> Database {
        Database::start_in(Directory::new(), dialect, options).await
    }

    /// The same on a small disk of its own; None, with a message, where this user may not mount one.
    pub async fn start_on_disk(dialect: Dialect, mib: u64) -> Option<Database> {
        if !is_root() {
            println!("skipped: a disk of its own takes root");
            return None;
        }
        Some(Database::start_in(Directory::disk(mib), dialect, &[]).await)
    }

    async fn start_in(dir: Directory, dialect: Dialect, options: &[String]) -> Database {
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        if is_root() {
            std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut make = match dialect {
            Dialect::Mysql => {
                let mut make = program("mariadb-install-db");
                make.arg("--no-defaults")
                    .arg("--auth-root-authentication-method=normal");
                make.arg("--skip-test-db")
                    .arg(format!("--datadir={}", data.display()));
                make
            }
            Dialect::Pgjsonb | Dialect::Postgres => {
                let mut make = program(postgres("initdb"));
                make.args(["--no-sync", "-A", "trust", "-U", "salt", "-E", "UTF8", "-D"])
                    .arg(&data);
                make
            }
        };
        let made = make.current_dir(dir.path()).output().unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut database = Database {
            dialect,
            port: free_port(),
            dir,
            child: None,
            options: options.to_vec(),
        };
        database.run().await;
        match dialect {
            Dialect::Mysql => {
                database.client("mysql", "CREATE DATABASE salt CHARACTER SET utf8");
                let user = format!(
                    "CREATE USER salt@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON salt.* TO salt@'%'"
                );
                database.client("mysql", &user);
            }
            Dialect::Pgjsonb | Dialect::Postgres => {
                database.client("postgres", "CREATE DATABASE salt");
            }
        }
        let mut cache = Cache::new(database.place(database.port), String::new());
        cache.init().await.unwrap();
        // Twice does no harm.
        cache.init().await.unwrap();
        database
    }

    /// Another server that is not started, with what this one has on its disk, which must be stopped.
    pub fn copy(&self, options: Vec<String>) -> Database {
        let dir = Directory::new();
        let mut copy = program("cp");
        copy.arg("-a")
            .arg(self.dir.path().join("data"))
            .arg(dir.path());
        assert!(copy.status().unwrap().success());
        Database {
            dialect: self.dialect,
            port: free_port(),
            dir,
            child: None,
            options,
        }
    }

    /// A standby of this PostgreSQL that is not started.
    pub fn standby(&self) -> Database {
        let dir = Directory::new();
        let mut copy = program(postgres("pg_basebackup"));
        copy.args([
            "-h",
            "127.0.0.1",
            "-U",
            "salt",
            "-p",
            &self.port.to_string(),
        ])
        .args(["--no-sync", "-c", "fast", "-R", "-D"])
        .arg(dir.path().join("data"));
        let made = copy.output().unwrap();
        let error = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{error}");
        Database {
            dialect: self.dialect,
            port: free_port(),
            dir,
            child: None,
            options: Vec::new(),
        }
    }

    /// Starts the program and waits until it answers.
    pub async fn run(&mut self) {
        self.spawn();
        self.until_up().await;
    }

    /// Starts the program.
    pub fn spawn(&mut self) {
        let data = self.dir.path().join("data");
        let mut command = match self.dialect {
            Dialect::Mysql => {
                let mut command = program("mariadbd");
                command
                    .arg("--no-defaults")
                    .arg(format!("--datadir={}", data.display()))
                    .arg(format!(
                        "--socket={}",
                        self.dir.path().join("socket").display()
                    ))
                    .arg(format!("--port={}", self.port))
                    .args([
                        "--bind-address=127.0.0.1",
                        "--skip-name-resolve",
                        "--innodb-buffer-pool-size=16M",
                    ]);
                command
            }
            Dialect::Pgjsonb | Dialect::Postgres => {
                let mut command = program(postgres("postgres"));
                command.arg("-D").arg(&data).arg("-k").arg(self.dir.path());
                command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
                command
            }
        };
        command
            .args(&self.options)
            .current_dir(self.dir.path())
            .stdout(Stdio::null())
            .stderr(self.log());
        self.child = Some(command.spawn().unwrap());
    }

    /// Waits until the program answers. One that ends instead is started again, as the system does it: a node may fail to copy what
    /// the others have.
    pub async fn until_up(&mut self) {
        let begun = Instant::now();
        let first = match self.dialect {
            Dialect::Mysql => "mysql",
            Dialect::Pgjsonb | Dialect::Postgres => "postgres",
        };
        while !self.answers(first) {
            assert!(
                begun.elapsed() < STARTS_WITHIN,
                "the server does not start: {}",
                std::fs::read_to_string(self.dir.path().join(LOG)).unwrap()
            );
            if !self.is_up() {
                self.kill();
                self.spawn();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn log(&self) -> std::fs::File {
        std::fs::File::create(self.dir.path().join(LOG)).unwrap()
    }

    /// Ends it as an operator does.
    pub fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let pid = child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(told.success());
        assert!(child.wait().unwrap().success());
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// As a power cut ends it.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        // One that ended by itself can't be killed.
        let _ = child.kill();
        child.wait().unwrap();
        // Postmaster's children end by themselves; a start before that is refused, and tried again by nobody.
        let pid = self.dir.path().join("data/postmaster.pid");
        let _ = std::fs::remove_file(pid);
    }

    /// Takes all room of the disk.
    pub fn fill(&self) {
        let mut fill = std::fs::File::create(self.dir.path().join(FILL)).unwrap();
        while fill.write_all(&[7; 4_096]).is_ok() {}
    }

    /// Gives it back.
    pub fn empty(&self) {
        std::fs::remove_file(self.dir.path().join(FILL)).unwrap();
    }

    /// Whether the program still runs.
    pub fn is_up(&mut self) -> bool {
        let child = self.child.as_mut().unwrap();
        child.try_wait().unwrap().is_none()
    }

    pub fn place(&self, port: u16) -> Place {
        self.place_of(&[port])
    }

    /// A place with several ports.
    pub fn place_of(&self, ports: &[u16]) -> Place {
        Place::Server(Box::new(Server {
            dialect: self.dialect,
            hosts: ports.iter().copied().map(host).collect(),
            user: "salt".to_owned(),
            password: PASSWORD.to_owned(),
            database: "salt".to_owned(),
            tls: Tls::default(),
        }))
    }

    /// What the database's own client says to a statement: the truth is counted by a program that is not ours. A node that its
    /// cluster is about to count again is waited for.
    pub fn client(&self, database: &str, statement: &str) -> String {
        let begun = Instant::now();
        loop {
            let done = self.command(database, statement).output().unwrap();
            if done.status.success() {
                return String::from_utf8(done.stdout).unwrap().trim().to_owned();
            }
            let error = String::from_utf8_lossy(&done.stderr);
            let is_apart = error.contains(NO_PART) && begun.elapsed() < STARTS_WITHIN;
            assert!(is_apart, "{statement}: {error}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn answers(&self, database: &str) -> bool {
        let mut ask = self.command(database, "SELECT 1");
        ask.output().is_ok_and(|done| done.status.success())
    }

    fn command(&self, database: &str, statement: &str) -> Command {
        let port = self.port.to_string();
        match self.dialect {
            Dialect::Mysql => {
                let mut command = Command::new("mariadb");
                command.args([
                    "--no-defaults",
                    "-h",
                    "127.0.0.1",
                    "-u",
                    "root",
                    "-P",
                    &port,
                    "-N",
                    "-B",
                ]);
                // What other nodes of a cluster have is told as well; alone it means nothing.
                command.arg("--init-command=SET wsrep_sync_wait = 1");
                command.args(["-e", statement, database]);
                command
            }
            Dialect::Pgjsonb | Dialect::Postgres => {
                let mut command = Command::new(postgres("psql"));
                command.args([
                    "-X",
                    "-h",
                    "127.0.0.1",
                    "-U",
                    "salt",
                    "-p",
                    &port,
                    "-At",
                    "-F",
                    "\t",
                ]);
                command.args(["-v", "ON_ERROR_STOP=1", "-c", statement, database]);
                command
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that nobody uses now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn host(port: u16) -> Host {
    Host {
        name: "127.0.0.1".to_owned(),
        port,
    }
}

/// Makes a key one that a server takes: its own, and nobody else's.
pub fn keep(key: &Path) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(key, mode).unwrap();
    if is_root() {
        std::os::unix::fs::chown(key, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// Lets a server into a directory.
pub fn open(dir: &Path) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir, mode).unwrap();
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
}

fn program(name: impl AsRef<Path>) -> Command {
    let mut command = Command::new(name.as_ref());
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/usr/bin"));
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Debian keeps the server's programs of each version apart.
fn postgres(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("the package postgresql")
        .map(|entry| entry.unwrap().path())
        .collect();
    versions.sort();
    versions
        .pop()
        .expect("a version of postgresql")
        .join("bin")
        .join(name)
}
