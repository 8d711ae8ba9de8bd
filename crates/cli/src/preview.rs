//! Shows whom a job would be for.

use output::{Form, ValueRendering};
use wire::choice::Preview;
use wire::control::{Ask, Tell};

use crate::Session;
use crate::runargs::View;
use crate::trouble::Trouble;

/// Asks, and prints who is meant. Exit code 2 when nobody is.
pub(crate) fn preview(session: &mut Session<'_, '_>, ask: Ask, view: &View) -> Result<u8, Trouble> {
    let form = match view.out {
        None => Form::Nested,
        Some(form @ (Form::Nested | Form::Json | Form::Yaml | Form::Quiet)) => form,
        Some(_) => {
            let text = "a preview is printed as text, or with --out json, yaml or quiet";
            return Err(Trouble::Usage(text.to_owned()));
        }
    };
    let preview = ask_for(session, ask)?;
    if session.manner.names_alone {
        return names(session, &preview, form, view.destination.out_indent);
    }
    let document = || output::document(&preview);
    match form {
        Form::Json => session.print(&output::json(&document()))?,
        Form::Yaml => session.print(&yaml::emit(&document()))?,
        Form::Quiet => {}
        _ => session.print(&output::preview(&preview))?,
    }
    if form != Form::Quiet {
        for note in output::preview_notes(&preview) {
            session.seat.say(&note);
        }
    }
    Ok(match preview.counts.meant + preview.counts.undecided {
        0 => output::NOTHING_MATCHED,
        _ => output::OK,
    })
}

/// The ids alone, as Salt lists them.
fn names(
    session: &mut Session<'_, '_>,
    preview: &Preview,
    form: Form,
    indent: Option<i32>,
) -> Result<u8, Trouble> {
    let ids: serde_json::Value = preview.minions.iter().map(|row| row.id.as_str()).collect();
    let rendering = ValueRendering {
        form,
        style: session.style,
        yaml: yaml::emit,
        indent,
    };
    session.print(&output::value(&ids, &rendering))?;
    Ok(output::OK)
}

fn ask_for(session: &mut Session<'_, '_>, ask: Ask) -> Result<Preview, Trouble> {
    let mut control = (session.connect)()?;
    control.ask(ask)?;
    let mut minions = Vec::new();
    loop {
        match control.next(None)? {
            Some(Tell::PreviewPart(mut rows)) => minions.append(&mut rows),
            Some(Tell::Preview(mut preview)) => {
                minions.append(&mut preview.minions);
                preview.minions = minions;
                return Ok(*preview);
            }
            Some(Tell::Failed(failure)) => return Err(Trouble::Told(failure)),
            Some(_) => return Err(Trouble::Unexpected),
            None => return Err(Trouble::NoAnswer),
        }
    }
}
