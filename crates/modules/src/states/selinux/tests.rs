use super::*;
use crate::testing::{Host, checked};

/// Tools whose lists are files.
fn fake(host: &Host) {
    host.write("root/sys/fs/selinux/enforce", "1");
    host.write(
        "root/etc/selinux/config",
        "# head\nSELINUX=enforcing\nSELINUXTYPE=targeted\n",
    );
    let files = host.write(
        "files",
        "/srv(/.*)?   all files   system_u:object_r:var_t:s0 \n",
    );
    let ports = host.write("ports", "http_port_t   tcp   80, 443\n");
    host.write(
        "booleans",
        "SELinux boolean  State Default Description\n\nuse_nfs  (off  ,  off)  Allow nfs\n",
    );
    let booleans = host.path("booleans");
    host.program(
        "semanage",
        &format!(
            "case \"$1 $2\" in\n'boolean --list') cat {booleans};;\n'fcontext --list') cat {files};;\n'port --list') cat {ports};;\n\
             'fcontext --add') echo \"$5   all files   system_u:object_r:$4:s0 \" >>{files};;\n\
             'fcontext --delete') : >{files};;\n\
             'port --add') echo \"$6   $4   $7\" >>{ports};;\n'port --delete') : >{ports};;\n*) exit 1;;\nesac"
        ),
    );
    host.program(
        "setsebool",
        &format!("sed -i 's/(off  ,  off)/(on   ,  off)/' {booleans}"),
    );
    host.program(
        "semodule",
        "case \"$1\" in --list*) echo '100 nagios pp disabled'; echo '100 mysql pp';; esac",
    );
}

#[test]
fn selinux_is_kept() {
    let host = Host::new();
    let _root = host.lend_root();
    let missing = host.state(
        "selinux.mode",
        json!({"name": "enforcing", "__sls__": "s"}),
        false,
    );
    assert!(
        missing
            .comment
            .starts_with("State 'selinux.mode' was not found in SLS 's'"),
        "{missing:?}"
    );
    fake(&host);
    let check = |fun: &str, args: Value, is_test: bool, result: Option<bool>, comment: &str| {
        Value::Object(checked(host.state(fun, args, is_test), result, comment).changes)
    };
    check(
        "selinux.mode",
        json!({"name": "what"}),
        false,
        Some(false),
        "what is not an accepted mode",
    );
    check(
        "selinux.mode",
        json!({"name": "enforcing"}),
        false,
        Some(true),
        "SELinux is already in Enforcing mode",
    );
    let args = json!({"name": "permissive"});
    check(
        "selinux.mode",
        args.clone(),
        true,
        None,
        "SELinux mode is set to be changed to Permissive",
    );
    let changes = check(
        "selinux.mode",
        args,
        false,
        Some(true),
        "SELinux has been set to Permissive mode",
    );
    assert_eq!(changes, json!({"old": "Enforcing", "new": "Permissive"}));
    let args = json!({"name": "use_nfs", "value": true});
    check(
        "selinux.boolean",
        args.clone(),
        true,
        None,
        "The following booleans would be changed: use_nfs",
    );
    let comment = "The following booleans have been changed: use_nfs";
    let changes = check("selinux.boolean", args.clone(), false, Some(true), comment);
    assert_eq!(changes, json!({"use_nfs": {"old": "off", "new": "on"}}));
    let comment = "The following booleans were in the correct state: use_nfs";
    check("selinux.boolean", args, false, Some(true), comment);
    check(
        "selinux.boolean",
        json!({"name": "no"}),
        false,
        Some(false),
        "Boolean no is not available",
    );
    check(
        "selinux.module",
        json!({"name": "mysql"}),
        false,
        Some(true),
        "Module mysql is in the desired state",
    );
    check(
        "selinux.module",
        json!({"name": "nagios"}),
        true,
        None,
        "Module nagios is set to be toggled to Enabled",
    );
    check(
        "selinux.module",
        json!({"name": "nagios"}),
        false,
        Some(true),
        "Module nagios has been set to Enabled",
    );
    let args = json!({"name": "/new(/.*)?", "sel_type": "web_t"});
    check(
        "selinux.fcontext_policy_present",
        args.clone(),
        true,
        None,
        "",
    );
    let changes = check(
        "selinux.fcontext_policy_present",
        args.clone(),
        false,
        Some(true),
        "",
    );
    assert_eq!(
        changes["new"],
        json!({"/new(/.*)?": {"filetype": "all files", "sel_type": "web_t"}})
    );
    let comment = "SELinux policy for \"/new(/.*)?\" already present with specified filetype \"all files\" and sel_type \"web_t\".";
    check(
        "selinux.fcontext_policy_present",
        args.clone(),
        false,
        Some(true),
        comment,
    );
    check(
        "selinux.fcontext_policy_absent",
        args.clone(),
        true,
        None,
        "",
    );
    check(
        "selinux.fcontext_policy_absent",
        args,
        false,
        Some(true),
        "",
    );
    let args = json!({"name": "tcp/8080", "sel_type": "http_port_t"});
    let changes = check(
        "selinux.port_policy_present",
        args.clone(),
        false,
        Some(true),
        "",
    );
    assert_eq!(changes["new"]["port"], json!("8080"));
    let comment = "SELinux policy for \"tcp/8080\" already present with specified sel_type \"http_port_t\", protocol \"None\" and port \"None\".";
    check(
        "selinux.port_policy_present",
        args.clone(),
        false,
        Some(true),
        comment,
    );
    check("selinux.port_policy_absent", args, false, Some(true), "");
}
