//! Many seeds, each a world of its own.
use sim::operator::Plan;
use sim::world::World;

fn run(seeds: std::ops::Range<u64>, plan: fn() -> Plan) {
    for seed in seeds {
        let result = std::panic::catch_unwind(|| World::new(seed, plan(), false).run());
        if result.is_err() {
            panic!("seed {seed}: BANYAN_SIM_SEED={seed} cargo test -p sim replay -- --nocapture");
        }
    }
}

#[test]
fn calm() {
    run(0..300, Plan::calm);
}
