//! Jobs of an operator: who is meant, what comes back, how it ends.

use integration::Tree;

#[test]
fn smoke() {
    let tree = Tree::of_two_sites();
    let ledger = tree.top().run(0, &["*", "test.ping"]);
    ledger.all_ok(&["ams-web1", "ams-web2", "fra-db1", "fra-db2"]);
}
