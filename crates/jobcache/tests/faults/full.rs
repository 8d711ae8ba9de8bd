//! A database whose disk is full takes nothing, says so, and has everything once there is room.

use std::time::{Duration, Instant};

use jobcache::{Batch, Cache, Dialect};

use crate::server::Database;
use crate::{HEALS_WITHIN, WITHIN, batch, truth};

/// A batch that no room inside of files that are there already takes.
fn large(number: u64) -> Batch {
    let mut batch = batch(number);
    // Not the same all over: a database may pack what repeats.
    let value: String = (0..200_000_u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number).to_string())
        .collect();
    for answer in &mut batch.returns {
        answer.value = format!("\"{value}\"").into();
    }
    batch
}

async fn full(dialect: Dialect, mib: u64, within: Duration) {
    let Some(mut database) = Database::start_on_disk(dialect, mib).await else {
        return;
    };
    let mut cache = Cache::new(database.place(database.port), "hub1".to_owned()).within(within);
    cache.write(&batch(1)).await.unwrap();
    database.fill();
    let next = large(2);
    let refused = cache.write(&next).await.expect_err("the disk is full");
    assert_eq!(truth(&database)[2], "0");
    database.empty();
    let begun = Instant::now();
    while let Err(error) = cache.write(&next).await {
        assert!(begun.elapsed() < HEALS_WITHIN, "never written: {error}");
        // A server may end itself when it can't write, if not at once; then an operator starts it.
        if !database.is_up() {
            database.kill();
            database.run().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let expected = ["2", "6", "0", "hub1\t2"].map(str::to_owned);
    assert_eq!(truth(&database), expected, "{refused}");
}

#[tokio::test]
async fn a_full_mariadb_gets_it_later() {
    Box::pin(full(Dialect::Mysql, 400, WITHIN)).await;
}

#[tokio::test]
async fn a_full_postgresql_gets_it_later() {
    // An attempt that ends too early leaves what it wrote on the small disk.
    Box::pin(full(Dialect::Pgjsonb, 256, 6 * WITHIN)).await;
}
