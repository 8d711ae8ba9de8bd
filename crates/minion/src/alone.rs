//! A call without any hub: with the roots of this host, or without any.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use daemon::config::MinionConfig;
use modules::cut::travelling;
use modules::{Call, Cancel, Registry};
use serde_json::Value;
use wire::JidClock;
use wire::call::{CallEnd, MAX_VALUE};
use wire::limits::MINIONS_JID_NUMBER;

use crate::ask::Answered;
use crate::executor::unix_millis;
use crate::files::{JobFiles, Sessions};
use crate::roots::{LocalRoots, Roots};
use crate::surroundings::{JobContext, Surroundings};

/// Runs the function in this process. `why` there is no hub is told to those who need one.
pub fn alone(
    config: &MinionConfig,
    call: &Call,
    runtime: &tokio::runtime::Runtime,
    why: &str,
) -> Answered {
    let started = unix_millis(SystemTime::now());
    // Nobody hears news of a call that ends with the process.
    let (news, _heard) = tokio::sync::mpsc::unbounded_channel();
    let surroundings = Arc::new(Surroundings::new(
        config.id.to_string(),
        String::new(),
        Value::Null,
        config.grains.clone(),
        crate::surroundings::options(config),
        config.paths.config_file().with_file_name("grains"),
        news,
    ));
    let cache = config.paths.cache_dir();
    let registry = Arc::new(Registry::of_minion(surroundings.options(), &cache));
    let roots: Box<dyn Roots> = match &config.local_roots {
        Some(local) => Box::new(LocalRoots::new(local)),
        None => {
            let sessions = Sessions::default();
            sessions.failed(why);
            Box::new(JobFiles {
                sessions: Arc::new(sessions),
                runtime: runtime.handle().clone(),
                cache: cache.clone(),
                roots: None,
            })
        }
    };
    let context = JobContext {
        surroundings,
        registry: registry.clone(),
        roots,
        cache,
        jid: None,
        watched: None,
        herald: None,
        user: String::new(),
        is_making_pillar: AtomicBool::new(false),
    };
    let outcome = registry.call(call, &context, &Cancel::new());
    Answered {
        jid: JidClock::new(MINIONS_JID_NUMBER, 0).next(started),
        value: travelling(&outcome.value, MAX_VALUE),
        end: CallEnd {
            retcode: outcome.retcode,
            success: outcome.success,
            started,
        },
    }
}
