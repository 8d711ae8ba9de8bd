//! Values sealed and opened by the real programs.

use std::process::{Command, Stdio};
use std::{fs, io::Write as _};

use ciphers::Ciphers;
use serde_json::{Map, Value, json};
use sls::render::{Data, Files, Functions, Renderer, Source};

struct Nothing;

impl Files for Nothing {
    fn read(&self, _: &str, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

impl Functions for Nothing {
    fn has(&self, _: &str) -> bool {
        false
    }

    fn call(&self, _: &str, _: &[Value], _: &Map<String, Value>) -> Result<Value, String> {
        Err("there is none".to_owned())
    }
}

fn render(options: &Value, text: &str) -> Result<Value, String> {
    let source = Source {
        sls: "secrets",
        path: "secrets.sls",
        saltenv: "base",
        text: text.as_bytes(),
        ..Source::default()
    };
    let renderer = Renderer {
        files: &Nothing,
        functions: &Nothing,
        foreign: &Ciphers::new(options),
        grains: &json!({}),
        pillar: &json!({}),
        opts: options,
    };
    renderer.sls(&source).map_err(|error| error.to_string())
}

fn run(program: &str, args: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect(program);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with a key, whose agent ends with it.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Keys {
        // Paths of an agent's socket are short.
        let dir = tempfile::Builder::new()
            .prefix("k")
            .tempdir_in("/tmp")
            .unwrap();
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(dir.path(), permissions).unwrap();
        let keys = Keys(dir);
        let make = [
            "--homedir",
            keys.path(),
            "--batch",
            "--passphrase",
            "",
            "--quick-generate-key",
            "salt",
        ];
        run("gpg", &make, "");
        keys
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn seal(&self, text: &str) -> String {
        let args = [
            "--homedir",
            self.path(),
            "--batch",
            "--armor",
            "--trust-model",
            "always",
            "--encrypt",
            "-r",
            "salt",
        ];
        run("gpg", &args, text)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        run("gpgconf", &["--homedir", self.path(), "--kill", "all"], "");
    }
}

fn block(name: &str, text: &str, indent: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("{indent}{line}")).collect();
    format!("{name}: |\n{}\n", lines.join("\n"))
}

#[test]
fn gpg_opens_what_stands_in_a_tree_or_in_text() {
    let keys = Keys::new();
    let options = json!({"gpg_keydir": keys.path()});
    let (one, two) = (keys.seal("first"), keys.seal("second: x"));
    let line = two.trim_end().replace('\n', "\\n");
    let tree = format!(
        "#!yaml|gpg\nplain: [1, yes, text]\nmap:\n  {}\nboth: |\n{}{}\nline: '{line}'\n",
        block("secret", &one, "    "),
        one.replace('\n', "\n  ")
            .replacen("-----BEGIN", "  a -----BEGIN", 1),
        two.replace('\n', "\n  ")
            .replacen("-----BEGIN", "and -----BEGIN", 1),
    );
    let opened = render(&options, &tree).unwrap();
    assert_eq!(opened["plain"], json!([1, true, "text"]));
    assert_eq!(opened["map"]["secret"], json!("first"));
    assert_eq!(opened["line"], json!("second: x"));
    assert_eq!(opened["both"], json!("a first\nand second: x"));
    let text = format!("#!gpg|yaml\na: 1\n{two}");
    assert_eq!(
        render(&options, &text).unwrap(),
        json!({"a": 1, "second": "x"})
    );
}

#[test]
fn gpg_says_what_it_cannot_open() {
    let (keys, others) = (Keys::new(), Keys::new());
    let sealed = others.seal("x");
    let text = format!("#!yaml|gpg\n{}", block("a", &sealed, "  "));
    let error = render(&json!({"gpg_keydir": keys.path()}), &text).unwrap_err();
    assert!(
        error.contains("renderer 'gpg': Could not decrypt a message")
            && error.contains("No secret key"),
        "{error}"
    );
    let lenient = json!({"gpg_keydir": keys.path(), "gpg_decrypt_must_succeed": false});
    let opened = render(&lenient, &text).unwrap();
    assert_eq!(opened["a"].as_str().unwrap().trim(), sealed.trim());
}

#[test]
fn age_opens_with_any_of_its_identities() {
    let dir = tempfile::tempdir().unwrap();
    let identity = |name: &str| -> (String, String) {
        let path = dir.path().join(name);
        run("age-keygen", &["-o", path.to_str().unwrap()], "");
        let text = fs::read_to_string(&path).unwrap();
        let recipient = text
            .lines()
            .find_map(|line| line.strip_prefix("# public key: "))
            .unwrap();
        (path.to_str().unwrap().to_owned(), recipient.to_owned())
    };
    let ((first, recipient), (second, _)) = (identity("first"), identity("second"));
    let sealed = run("age", &["--armor", "-r", &recipient], "secret\n");
    let text = format!("#!yaml|age\n{}", block("a", &sealed, "  "));
    for identities in [json!(first), json!([second, first])] {
        let opened = render(&json!({"age_identities": identities}), &text).unwrap();
        assert_eq!(opened, json!({"a": "secret"}));
    }
    let check = |options: Value, expected: &str| {
        let error = render(&options, &text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    check(
        json!({}),
        "renderer 'age': there is no identity to open a message with: set age_identities",
    );
    check(
        json!({"age_identities": second}),
        "no identity matched any of the recipients",
    );
}

#[test]
fn what_is_not_sealed_needs_no_program() {
    let tree = Data::Tree(json!({"a": ["-----BEGIN PGP MESSAGE-----"]}));
    let opened = ciphers::Gpg::new(&json!({"gpg_keydir": "/no/keys"})).open(&tree);
    assert_eq!(opened, Ok(tree));
}
