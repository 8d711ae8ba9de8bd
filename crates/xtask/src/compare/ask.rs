//! What both sides are asked about a tree.

use serde_json::{Map, Value, json};

use super::case::Case;

/// What an answer is compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    /// The pillar, by name.
    Pillar,
    /// The matches of the top files, by environment.
    Top,
    /// High data of the highstate, by id.
    High,
    /// Low chunks of the highstate, by place.
    Low,
    /// High data of each SLS alone, by SLS.
    Sls,
    /// What runs say, by state: in test mode, and for real where that changes nothing.
    Apply,
}

impl Kind {
    /// All, in the order of reports.
    pub const ALL: [Kind; 6] = [
        Kind::Pillar,
        Kind::Top,
        Kind::High,
        Kind::Low,
        Kind::Sls,
        Kind::Apply,
    ];
}

/// A call of one function.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// What its answer is; none for a call that prepares others.
    pub kind: Option<Kind>,
    /// What it asks about: an SLS, or nothing.
    pub about: String,
    /// The function.
    pub fun: String,
    /// Its positional arguments.
    pub args: Vec<Value>,
    /// Its keyword arguments.
    pub kwargs: Map<String, Value>,
}

impl Ask {
    /// As the driver and golden files have it.
    pub fn json(&self) -> Value {
        json!({"fun": self.fun, "args": self.args, "kwargs": self.kwargs})
    }
}

/// All calls about a tree, with at most so many SLS alone.
pub fn asks(case: &Case, kinds: &[Kind], sls_max: usize) -> Vec<Ask> {
    let ask = |kind: Kind, about: &str, fun: &str, args: Value, kwargs: Value| {
        let kwargs = kwargs.as_object().cloned().unwrap_or_default();
        let pillar = (!case.pillar.is_empty()).then(|| ("pillar".to_owned(), json!(case.pillar)));
        Ask {
            kind: Some(kind),
            about: about.to_owned(),
            fun: fun.to_owned(),
            args: args.as_array().cloned().unwrap_or_default(),
            kwargs: kwargs.into_iter().chain(pillar).collect(),
        }
    };
    let mut asks = vec![
        // Salt shows no value of a pillar unless it is told to.
        ask(
            Kind::Pillar,
            "",
            "pillar.items",
            json!([]),
            json!({"unmask": true}),
        ),
    ];
    if case.has_top() {
        for (kind, fun) in [
            (Kind::Top, "state.show_top"),
            (Kind::High, "state.show_highstate"),
            (Kind::Low, "state.show_lowstate"),
        ] {
            let mut ask = ask(kind, "", fun, json!([]), json!({}));
            if kind != Kind::High {
                // Salt's take no pillar.
                ask.kwargs.clear();
            }
            asks.push(ask);
        }
    }
    let alone = spread(case.all_sls(), sls_max);
    let mut applied = Vec::new();
    for (saltenv, sls) in alone {
        let kwargs = match saltenv.as_str() {
            "base" => json!({}),
            saltenv => json!({"saltenv": saltenv}),
        };
        let about = match saltenv.as_str() {
            "base" => sls.clone(),
            saltenv => format!("{saltenv}:{sls}"),
        };
        asks.push(ask(
            Kind::Sls,
            &about,
            "state.show_sls",
            json!([sls]),
            kwargs.clone(),
        ));
        applied.push((about, json!([sls]), kwargs));
    }
    if !case.sls.is_empty() {
        let sls = case.sls.join(",");
        applied = vec![(sls.clone(), json!([sls]), json!({}))];
    } else if case.has_top() {
        applied = vec![("highstate".to_owned(), json!([]), json!({}))];
    }
    for (about, args, kwargs) in applied {
        let mut tested = kwargs.clone();
        tested["test"] = json!(true);
        let apply =
            |about: &str, kwargs| ask(Kind::Apply, about, "state.apply", args.clone(), kwargs);
        asks.push(apply(&about, tested));
        if case.is_harmless {
            asks.push(apply(&format!("{about} for real"), kwargs));
        }
    }
    asks.retain(|ask| ask.kind.is_some_and(|kind| kinds.contains(&kind)));
    if case.has_modules() {
        let sync = Ask {
            kind: None,
            about: String::new(),
            fun: "saltutil.sync_all".to_owned(),
            args: Vec::new(),
            kwargs: Map::new(),
        };
        asks.insert(0, sync);
    }
    asks
}

/// At most so many of them, from the whole list.
fn spread<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let total = all.len();
    let places = (0..most.min(total)).map(|number| number * total / most.min(total));
    let places: std::collections::BTreeSet<usize> = places.collect();
    let numbered = all.into_iter().enumerate();
    numbered
        .filter(|(place, _)| places.contains(place))
        .map(|(_, one)| one)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn funs(files: &[&str], case: &str, kinds: &[Kind]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("salt")).unwrap();
        for file in files {
            std::fs::write(dir.path().join("salt").join(file), "").unwrap();
        }
        std::fs::write(dir.path().join("case.yaml"), case).unwrap();
        let case = Case::read(dir.path()).unwrap();
        asks(&case, kinds, 10)
            .iter()
            .map(|ask| format!("{} {} {}", ask.fun, json!(ask.args), json!(ask.kwargs)))
            .collect()
    }

    #[test]
    fn a_tree_with_a_top_file_is_applied_whole() {
        assert_eq!(
            funs(&["top.sls", "a.sls"], "pillar: {x: 1}", &Kind::ALL),
            [
                r#"pillar.items [] {"unmask":true,"pillar":{"x":1}}"#,
                "state.show_top [] {}",
                r#"state.show_highstate [] {"pillar":{"x":1}}"#,
                "state.show_lowstate [] {}",
                r#"state.show_sls ["a"] {"pillar":{"x":1}}"#,
                r#"state.apply [] {"test":true,"pillar":{"x":1}}"#,
            ]
        );
    }

    #[test]
    fn other_trees_are_applied_as_they_say_or_by_sls() {
        assert_eq!(
            funs(&["a.sls", "b.sls"], "{}", &[Kind::Apply]),
            [
                r#"state.apply ["a"] {"test":true}"#,
                r#"state.apply ["b"] {"test":true}"#
            ]
        );
        assert_eq!(
            funs(
                &["a.sls", "b.sls"],
                "{sls: [b, a], harmless: true}",
                &[Kind::Apply]
            ),
            [
                r#"state.apply ["b,a"] {"test":true}"#,
                r#"state.apply ["b,a"] {}"#
            ]
        );
    }

    #[test]
    fn a_few_stand_for_all() {
        assert_eq!(spread((0..10).collect(), 3), [0, 3, 6]);
        assert_eq!(spread(vec![1, 2], 3), [1, 2]);
        assert_eq!(spread(vec![1, 2], 0), Vec::<i32>::new());
    }
}
