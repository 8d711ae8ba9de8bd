//! A real cluster of MariaDB: three nodes that each take writes, and agree at the commit.

use jobcache::{Dialect, Place};

use crate::server::{Database, free_port};

/// Where Debian has the library.
const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";
/// Of the node that finds no other.
const BEGIN: &str = "--wsrep-new-cluster";

pub struct Cluster {
    pub nodes: [Database; 3],
}

impl Cluster {
    /// Begins it with one node, and lets copies of that one join.
    pub async fn start() -> Cluster {
        let groups = [free_port(), free_port(), free_port()];
        let options = |number: usize| options(&groups, number);
        let mut first = Database::start_with(Dialect::Mysql, &begin(options(0))).await;
        first.stop();
        let mut nodes = [first.copy(options(1)), first.copy(options(2))];
        first.run().await;
        // One after the other: each takes what it lacks from the first.
        for node in &mut nodes {
            node.run().await;
        }
        // From now on it joins as the others do.
        first.options = options(0);
        let [second, third] = nodes;
        Cluster {
            nodes: [first, second, third],
        }
    }

    /// All nodes, the first by way of this port.
    pub fn place_by(&self, port: u16) -> Place {
        let [first, second, third] = &self.nodes;
        first.place_of(&[port, second.port, third.port])
    }

    /// The sum of a number that each node counts.
    pub fn count(&self, status: &str) -> u64 {
        let ask = format!("SHOW STATUS WHERE Variable_name = '{status}'");
        let count = |node: &Database| {
            let answer = node.client("mysql", &ask);
            answer.split('\t').nth(1).unwrap().parse::<u64>().unwrap()
        };
        self.nodes.iter().map(count).sum()
    }
}

fn begin(mut options: Vec<String>) -> Vec<String> {
    options.push(BEGIN.to_owned());
    options
}

fn options(groups: &[u16; 3], number: usize) -> Vec<String> {
    let addresses = groups.map(|port| format!("127.0.0.1:{port}")).join(",");
    let own = groups[number];
    let (steps, states) = (free_port(), free_port());
    // A node that is silent is out after two seconds, not after five.
    let provider = format!(
        "gmcast.listen_addr=tcp://127.0.0.1:{own};ist.recv_addr=127.0.0.1:{steps};gcache.size=8M;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.inactive_check_period=PT0.2S;evs.keepalive_period=PT0.3S;evs.install_timeout=PT4S"
    );
    [
        "--wsrep_on=ON".to_owned(),
        format!("--wsrep_provider={PROVIDER}"),
        format!("--wsrep_cluster_address=gcomm://{addresses}"),
        format!("--wsrep_node_address=127.0.0.1:{own}"),
        format!("--wsrep_sst_receive_address=127.0.0.1:{states}"),
        format!("--wsrep_provider_options={provider}"),
        "--wsrep_sst_method=rsync".to_owned(),
        "--binlog_format=ROW".to_owned(),
        "--innodb_autoinc_lock_mode=2".to_owned(),
        "--innodb_log_file_size=16M".to_owned(),
    ]
    .into()
}
