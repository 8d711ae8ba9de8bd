//! Whatever state files say, compiling and running them ends without a panic.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sls::compile::{
    self, Answer, Available, Functions, Matches, Minion, Options, PillarTop, Render, Rendered, Run,
    Settings, Step, Top, TopSettings,
};

/// Words that mean something to the compiler.
const WORDS: &[&str] = &[
    "a",
    "b",
    "test",
    "test.nop",
    "nop",
    "name",
    "names",
    "order",
    "first",
    "last",
    "require",
    "watch",
    "prereq",
    "listen",
    "listen_in",
    "require_in",
    "use",
    "use_in",
    "onfail",
    "onchanges_any",
    "sls",
    "id",
    "include",
    "extend",
    "exclude",
    "__extend__",
    "__exclude__",
    "__sls__",
    "__env__",
    "__sls_included_from__",
    "__prereq__",
    "retry",
    "parallel",
    "failhard",
    "base",
    "match",
    "subfilter",
    ".",
    "..a",
    "*",
    "x*",
    "",
];

const STEPS_MAX: usize = 2_000;

fn value() -> impl Strategy<Value = Value> {
    let word = || prop::sample::select(WORDS).prop_map(str::to_owned);
    let leaf = prop_oneof![
        5 => word().prop_map(Value::String),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<i64>().prop_map(|number| json!(number)),
        1 => any::<f64>().prop_map(|number| json!(number)),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((word(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// High data whose outermost form is right more often than not, so that what lies deeper is reached.
fn high() -> impl Strategy<Value = Map<String, Value>> {
    let argument = prop_oneof![
        3 => Just(json!("nop")),
        3 => (prop::sample::select(WORDS), prop::collection::vec((prop::sample::select(WORDS), prop::sample::select(WORDS)), 0..3))
            .prop_map(|(key, items)| json!({key: items.into_iter().map(|(state, name)| json!({state: name})).collect::<Vec<_>>()})),
        1 => value(),
    ];
    let body = prop_oneof![
        4 => prop::collection::vec(argument, 0..4).prop_map(|arguments| json!({"test": arguments, "__sls__": "a", "__env__": "base"})),
        1 => value(),
    ];
    prop::collection::vec((prop::sample::select(WORDS), body), 0..6).prop_map(|bodies| {
        bodies
            .into_iter()
            .map(|(id, body)| (id.to_owned(), body))
            .collect()
    })
}

/// One environment, whose files all say the same.
struct Same(Value);

impl Render for Same {
    fn environments(&self) -> Vec<String> {
        vec!["base".to_owned()]
    }

    fn files(&self, _: &str) -> Vec<String> {
        ["a.sls", "b/init.sls"].map(str::to_owned).to_vec()
    }

    fn render(&mut self, _: &str, sls: &str) -> Result<Option<Rendered>, String> {
        Ok(Some(Rendered {
            data: self.0.clone(),
            source: format!("{sls}/init.sls"),
        }))
    }

    fn top(&mut self, _: &str) -> Result<Option<Value>, String> {
        Ok(Some(self.0.clone()))
    }
}

fn finish(mut run: Run) {
    for _ in 0..STEPS_MAX {
        match run.next("") {
            Step::Finished => return,
            Step::Wait => panic!("it waits for nothing"),
            Step::Call(call) => run
                .done(call.number, Answer::default())
                .expect("it is open"),
        }
    }
    panic!("the run does not end");
}

fn compile(high: Map<String, Value>, functions: &dyn Functions) {
    let _ = compile::compile_for_id(high.clone(), &Settings::default(), functions);
    if let Ok(low) = compile::compile(high, &Settings::default(), functions) {
        for chunk in low.ordered() {
            let _ = compile::Controls::of(chunk);
        }
        finish(Run::new(low, Options::default()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn high_data(high in high()) {
        compile(high, &|_: &str| true);
    }

    #[test]
    fn state_files(rendered in value()) {
        let mut source = Same(rendered);
        let available = Available::of(&source);
        let matches: Matches = [("base".to_owned(), vec!["*".to_owned()])].into();
        let (high, _) = compile::load(&mut source, &available, &matches, true);
        compile(high, &|function: &str| !function.ends_with("mod_watch"));
    }

    #[test]
    fn top_files(rendered in value()) {
        let mut source = Same(rendered);
        let available = Available::of(&source);
        let settings = TopSettings::default();
        if let Ok(top) = Top::read(&mut source, &available, &settings) {
            let _ = top.verify();
            let _ = top.matches(&available, &settings, &Minion::default());
        }
        let (top, _) = PillarTop::read(&mut source, None, &[]);
        let _ = top.matches(None, &Minion::default());
    }
}
