//! `http`: questions to web servers.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::{Answer, Args, Env, Failure, Function};
use crate::call::Call;
use crate::python;
use crate::source::{self, DEFAULT_ENV, Problem, Query, Reply};

/// Between two questions of `http.wait_for_successful_query`, in seconds, when `request_interval` does not say.
pub(crate) const INTERVAL: f64 = 1.0;

/// The longest time that is waited, in seconds.
const WAIT_MAX: f64 = 30.0 * 86400.0;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "http.query",
        "url, method='GET', params=None, data=None, data_file=None, header_dict=None, header_list=None, header_file=None, \
         username=None, password=None, auth=None, decode=False, decode_type='auto', status=False, headers=False, text=False, \
         cookies=None, cookie_jar=None, cookie_format='lwp', persist_session=False, session_cookie_jar=None, data_render=False, \
         data_renderer=None, header_render=False, header_renderer=None, template_dict=None, test=False, test_url=None, \
         node='minion', port=80, opts=None, backend=None, ca_bundle=None, verify_ssl=None, cert=None, text_out=None, \
         headers_out=None, decode_out=None, stream=False, streaming_callback=None, header_callback=None, handle=False, \
         agent=None, hide_fields=None, raise_error=True, formdata=False, formdata_fieldname=None, formdata_filename=None, \
         decode_body=True, **kwargs",
        "Ask a web server and answer body, and on wish status, headers, text and the decoded dict; error when that failed. \
         data_file, header_file: a path or salt://, rendered on wish. test: ask nothing, or test_url. One client serves \
         whatever backend is named.",
        "http.query http://somelink.com/ method=POST params='{key1: val1, key2: val2}'",
        query,
    ),
    Function::new(
        "http.wait_for_successful_query",
        "url, wait_for=300, **kwargs",
        "Ask until there is an answer without an error, for wait_for seconds at most, every request_interval seconds (1). All else \
         is for http.query.",
        "http.wait_for_successful_query http://somelink.com/ wait_for=160 request_interval=1",
        wait,
    ),
];

/// Parameters that change what Salt answers and that are not served.
const NOT_SERVED: [&str; 7] = [
    "cookies",
    "persist_session",
    "stream",
    "streaming_callback",
    "header_callback",
    "handle",
    "formdata",
];

fn query(args: &Args, env: &Env) -> Answer {
    if let Some(name) = NOT_SERVED.iter().find(|name| args.flag(name)) {
        return Err(Failure::invocation(format!("'{name}' is not served")));
    }
    if !args.flag("decode_body") {
        return Err(Failure::invocation(
            "decode_body=False is not served: answers are text; cp.get_url fetches other files",
        ));
    }
    let mut answer = Map::new();
    let mut address = with_params(&args.text("url")?, args.value("params"))?;
    if args.value("test") == true {
        let Some(test_url) = args.optional_text("test_url")? else {
            return Ok(json!({}));
        };
        address = test_url;
        answer.insert("test".to_owned(), json!(true));
    }
    let wants_status = args.value("status") == true;
    match question(args, env, address)?.send(env.ctx, env.cancel) {
        Err(Problem { status, text }) => {
            if wants_status || status > 0 {
                answer.insert("status".to_owned(), json!(status));
            }
            answer.insert("error".to_owned(), json!(text));
        }
        Ok(reply) if args.flag("raise_error") && !(200..300).contains(&reply.status) => {
            let error = format!("HTTP {}: {}", reply.status, reply.reason);
            answer.insert("status".to_owned(), json!(reply.status));
            answer.insert("error".to_owned(), json!(error));
            answer.insert("body".to_owned(), json!(text_of(&reply)));
        }
        Ok(reply) => told(args, &reply, &mut answer)?,
    }
    Ok(Value::Object(answer))
}

fn text_of(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

/// Puts what the caller asked for of an answer.
fn told(args: &Args, reply: &Reply, answer: &mut Map<String, Value>) -> Result<(), Failure> {
    let text = text_of(reply);
    let write = |parameter: &str, content: &str| match args.optional_text(parameter)? {
        Some(path) => fs::write(&path, content).map_err(|error| Failure::io(path, error)),
        None => Ok(()),
    };
    let headers: Map<String, Value> = reply
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    write("text_out", &text)?;
    write("headers_out", &Value::Object(headers.clone()).to_string())?;
    answer.insert("body".to_owned(), json!(text));
    if args.value("status") == true {
        answer.insert("status".to_owned(), json!(reply.status));
    }
    let mut wants_text = args.value("text") == true;
    if args.value("decode") == true {
        let mut kind = args.text("decode_type")?;
        if kind == "auto" {
            let content = headers.get("Content-Type").and_then(Value::as_str);
            let content = content.unwrap_or("application/json");
            let known = ["xml", "json", "yaml"];
            let found = known.iter().find(|kind| content.contains(*kind));
            kind = (*found.unwrap_or(&"plain")).to_owned();
        }
        let failed = |error: String| Failure::command(format!("the answer is no {kind}: {error}"));
        match kind.as_str() {
            "json" => {
                let decoded: Value =
                    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
                answer.insert("dict".to_owned(), decoded);
            }
            "yaml" => {
                let decoded = yaml::parse(&text).map_err(|error| failed(error.to_string()))?;
                answer.insert("dict".to_owned(), decoded);
            }
            "plain" => wants_text = true,
            "xml" => {
                return Err(Failure::invocation(
                    "answers in XML are not decoded: use text=True, or decode_type=plain",
                ));
            }
            _ => {
                let error = "Invalid decode_type specified. Valid decode types are: ('json', 'xml', 'yaml', 'plain')";
                answer.insert("error".to_owned(), json!(error));
                return Ok(());
            }
        }
        write("decode_out", &text)?;
    }
    if args.value("headers") == true {
        answer.insert("headers".to_owned(), Value::Object(headers));
    }
    if wants_text {
        answer.insert("text".to_owned(), json!(text));
    }
    Ok(())
}

fn question(args: &Args, env: &Env, address: String) -> Result<Query, Failure> {
    let login = match args.value("auth") {
        Value::Array(pair) if pair.len() == 2 => {
            Some((python::text(&pair[0]), python::text(&pair[1])))
        }
        _ if args.flag("username") && args.flag("password") => {
            Some((args.text("username")?, args.text("password")?))
        }
        _ => None,
    };
    let data = match args.value("data_file") {
        Value::Null => args.value("data").clone(),
        _ => content(args, env, "data")?,
    };
    let body = match &data {
        Value::Null => None,
        Value::Object(fields) => Some(encoded(fields).into_bytes()),
        text => Some(python::text(text).into_bytes()),
    };
    let client = match args.value("cert") {
        Value::Null => env.ctx.config("cert").unwrap_or_default(),
        cert => cert.clone(),
    };
    let verifies = match args.value("verify_ssl") {
        Value::Null => env
            .ctx
            .config("verify_ssl")
            .is_none_or(|verify| python::truthy(&verify)),
        verify => python::truthy(verify),
    };
    Ok(Query {
        method: args.text("method")?,
        address,
        headers: headers(args, env)?,
        login,
        body,
        accepts_any_certificate: !verifies,
        bundle: args.optional_text("ca_bundle")?.map(PathBuf::from),
        client: match client {
            Value::Array(files) => files.iter().map(|file| python::text(file).into()).collect(),
            Value::Null => Vec::new(),
            file => vec![python::text(&file).into()],
        },
    })
}

fn headers(args: &Args, env: &Env) -> Result<Vec<(String, String)>, Failure> {
    let mut named = args.value("header_dict").clone();
    let mut lines = args.value("header_list").clone();
    if !args.value("header_file").is_null() {
        match content(args, env, "header")? {
            map @ Value::Object(_) => named = map,
            text => lines = json!(python::text(&text).lines().collect::<Vec<_>>()),
        }
    }
    let mut headers = Vec::new();
    for (name, value) in named.as_object().into_iter().flatten() {
        headers.push((name.clone(), python::text(value)));
    }
    for line in lines.as_array().into_iter().flatten() {
        let line = python::text(line);
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    if let Some(agent) = args.optional_text("agent")? {
        headers.push(("User-Agent".to_owned(), agent));
    }
    Ok(headers)
}

/// The content of `data_file` or `header_file`, rendered when `data_render` or `header_render` says so.
fn content(args: &Args, env: &Env, what: &str) -> Answer {
    let path = args.text(&format!("{what}_file"))?;
    if args.flag(&format!("{what}_render")) {
        let mut render = Call::new("slsutil.renderer").kwarg("path", path);
        if let Some(renderer) = args.optional_text(&format!("{what}_renderer"))? {
            render = render.kwarg("default_renderer", renderer);
        }
        if let Some(names) = args.value("template_dict").as_object() {
            render.kwargs.extend(names.clone());
        }
        return env.call(&render).map(|outcome| outcome.value);
    }
    let content = source::read(env.ctx, &path, DEFAULT_ENV)?;
    Ok(json!(String::from_utf8_lossy(&content.bytes)))
}

/// An address with parameters behind its `?`.
fn with_params(address: &str, params: &Value) -> Result<String, Failure> {
    if !python::truthy(params) {
        return Ok(address.to_owned());
    }
    let Some(params) = params.as_object() else {
        return Err(Failure::invocation("'params' must be a dictionary"));
    };
    let (head, fragment) = match address.split_once('#') {
        Some((head, fragment)) => (head, format!("#{fragment}")),
        None => (address, String::new()),
    };
    let mark = match head.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    Ok(format!("{head}{mark}{}{fragment}", encoded(params)))
}

/// Fields in the form of web forms.
fn encoded(fields: &Map<String, Value>) -> String {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{}={}", quoted(name), quoted(&python::text(value))));
    pairs.collect::<Vec<_>>().join("&")
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'_' | b'.' | b'-' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => out += &format!("%{byte:02X}"),
        }
    }
    out
}

/// A time that a caller gives in seconds.
pub(crate) fn seconds(value: &Value, name: &str) -> Result<Duration, Failure> {
    let said = match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    };
    let fits = said.filter(|seconds| (0.0..=WAIT_MAX).contains(seconds));
    fits.map(Duration::from_secs_f64).ok_or_else(|| {
        Failure::invocation(format!(
            "'{name}' must be a number of seconds, {WAIT_MAX} at most"
        ))
    })
}

fn wait(args: &Args, env: &Env) -> Answer {
    let longest = seconds(args.value("wait_for"), "wait_for")?;
    let interval = args.extra_kwargs.get("request_interval");
    let interval = seconds(interval.unwrap_or(&json!(INTERVAL)), "request_interval")?;
    let mut ask = Call::new("http.query").arg(args.text("url")?);
    ask.kwargs.extend(args.extra_kwargs.clone());
    let start = Instant::now();
    loop {
        let answer = env.call(&ask).map(|outcome| outcome.value);
        let is_fine = answer.as_ref().is_ok_and(|answer| {
            ["Error", "error"]
                .iter()
                .all(|key| !python::truthy(&answer[*key]))
        });
        if is_fine || start.elapsed() > longest || env.cancel.sleep(interval) {
            return answer;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::Host;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    /// Answers on loopback: `/json` with JSON, `/echo` with the request, `/late` with an error the first time, all else with 404.
    pub(crate) fn server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let mut is_late = true;
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = Vec::new();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if line.trim_end().is_empty() {
                        break;
                    }
                    head.push(line.trim_end().to_owned());
                }
                let length = head.iter().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.parse().unwrap())
                });
                let mut body = vec![0; length.unwrap_or(0)];
                reader.read_exact(&mut body).unwrap();
                let path = head[0].split(' ').nth(1).unwrap();
                let echo = format!("{}\n{}", head.join("\n"), String::from_utf8(body).unwrap());
                let (status, kind, body) = match path.split('?').next().unwrap() {
                    "/json" => ("200 OK", "application/json", "{\"a\": [1, 2]}".to_owned()),
                    "/echo" => ("200 OK", "text/plain", echo),
                    "/late" if is_late => {
                        is_late = false;
                        ("503 Service Unavailable", "text/plain", "wait".to_owned())
                    }
                    "/late" => ("200 OK", "text/plain", "here".to_owned()),
                    _ => ("404 Not Found", "text/plain", "nothing".to_owned()),
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        format!("http://{address}")
    }

    #[test]
    fn servers_are_asked() {
        let (host, server) = (Host::new(), server());
        let query = |path: &str| Call::new("http.query").arg(format!("{server}{path}"));
        let ask = |call: Call| host.call(call).value;
        let decoded = query("/json").kwarg("decode", true).kwarg("status", true);
        assert_eq!(
            ask(decoded),
            json!({"body": "{\"a\": [1, 2]}", "status": 200, "dict": {"a": [1, 2]}})
        );
        assert_eq!(
            ask(query("/none").kwarg("text", true)),
            json!({"status": 404, "error": "HTTP 404: Not Found", "body": "nothing"})
        );
        let calm = query("/none")
            .kwarg("raise_error", false)
            .kwarg("headers", true);
        assert_eq!(ask(calm)["headers"]["Content-Type"], "text/plain");
        let post = query("/echo?x=1")
            .kwarg("method", "POST")
            .kwarg("params", json!({"a b": "c&d", "n": 1}))
            .kwarg("data", json!({"k": "v w"}))
            .kwarg("header_dict", json!({"X-One": 1}))
            .kwarg("header_list", json!(["X-Two: 2"]))
            .kwarg("username", "u")
            .kwarg("password", "p")
            .kwarg("agent", "me");
        let echo = python::text(&ask(post)["body"]);
        assert!(
            echo.starts_with("POST /echo?x=1&a+b=c%26d&n=1 HTTP/1.1\n"),
            "{echo}"
        );
        let lines = echo.to_lowercase();
        for header in [
            "x-one: 1",
            "x-two: 2",
            "authorization: basic dtpw",
            "user-agent: me",
        ] {
            assert!(
                lines.lines().any(|line| line == header),
                "{header} in {echo}"
            );
        }
        assert!(echo.ends_with("\nk=v+w"), "{echo}");
        let file = host.write("data.jinja", "{{ greeting }}: {{ 1 + 1 }}\n");
        let rendered = query("/echo")
            .kwarg("method", "PUT")
            .kwarg("data_file", file)
            .kwarg("data_render", true)
            .kwarg("data_renderer", "jinja")
            .kwarg("template_dict", json!({"greeting": "hi"}));
        let echo = python::text(&ask(rendered)["body"]);
        assert!(
            echo.ends_with("\nhi: 2") || echo.ends_with("\nhi: 2\n"),
            "{echo}"
        );
        assert_eq!(ask(query("/x").kwarg("test", true)), json!({}));
        let refused = Call::new("http.query")
            .arg("http://127.0.0.1:1/")
            .kwarg("status", true);
        assert_eq!(
            ask(refused),
            json!({"status": 0, "error": "[Errno 111] Connection refused"})
        );
        assert!(!host.call(query("/x").kwarg("cookies", true)).success);
    }

    #[test]
    fn answers_are_awaited() {
        let (host, server) = (Host::new(), server());
        let wait = Call::new("http.wait_for_successful_query").arg(format!("{server}/late"));
        let wait = wait.kwarg("request_interval", 0.01).kwarg("status", true);
        assert_eq!(
            host.call(wait).value,
            json!({"body": "here", "status": 200})
        );
        let never = Call::new("http.wait_for_successful_query").arg(format!("{server}/none"));
        let never = never.kwarg("wait_for", 0);
        assert_eq!(host.call(never).value["status"], json!(404));
    }
}
