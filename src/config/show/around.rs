//! The defaults of what lines refer to: back ends, actions, targets, trunks and the voice.

use toml::{Table, Value};

use super::{complete, fill, number_of, text, texts, time};
use crate::call::Trunk;
use crate::config::Configuration;
use crate::config::trunks::identity_word;
use crate::crm::{Action, Service};

pub(super) fn put(file: &mut Table, configuration: &Configuration) {
    let Configuration { back_end, targets, trunks, speech, .. } = configuration;
    put_back_end(file, "back_end", &back_end.default);
    within(file, "back_ends", |all| {
        back_end.others.iter().for_each(|(name, service)| put_back_end(all, name, service));
    });
    within(file, "actions", |all| {
        back_end.actions.iter().for_each(|(name, action)| put_action(all, name.as_str(), action));
    });
    within(file, "targets", |all| {
        for (name, target) in targets {
            let words = [
                ("customer", target.sends_customer),
                ("name", target.sends_name),
                ("number_check", target.sends_number_check),
            ];
            let sent = words.into_iter().filter(|(_, is_sent)| *is_sent).map(|(word, _)| word.to_owned());
            fill(all, name.as_str(), [("send", texts(sent))]);
        }
    });
    if let Some(Value::Array(said)) = file.get_mut("trunks") {
        let said = said.iter_mut().filter_map(Value::as_table_mut);
        said.zip(&trunks.list).for_each(|(said, trunk)| put_trunk(said, trunk));
    }
    if let Some(stir) = &configuration.stir {
        fill(file, "stir", [("freshness", time(stir.freshness)), ("deadline", time(stir.deadline))]);
    }
    if file.contains_key("speech") {
        let count = number_of(speech.max_concurrent);
        fill(file, "speech", [("deadline", time(speech.deadline)), ("max_concurrent", count)]);
    }
}

/// Does this with the section of this name, where the file has it.
fn within(file: &mut Table, name: &str, with: impl FnOnce(&mut Table)) {
    file.get_mut(name).and_then(Value::as_table_mut).map(with);
}

fn put_back_end(file: &mut Table, name: &str, service: &Service) {
    let count = number_of(service.max_concurrent);
    fill(file, name, [("deadline", time(service.deadline)), ("max_concurrent", count)]);
    if let (Some(limits), Some(section)) = (service.breaker, file.get_mut(name).and_then(Value::as_table_mut))
    {
        let counts = [("failures", limits.failures), ("percent", limits.percent)];
        fill(section, "breaker", counts.map(|(key, count)| (key, i64::from(count).into())));
        fill(section, "breaker", [("window", time(limits.window)), ("open_for", time(limits.open_for))]);
    }
}

fn put_action(all: &mut Table, name: &str, action: &Action) {
    fill(all, name, [("method", text(&action.method)), ("retry", action.retry.into())]);
}

fn put_trunk(said: &mut Table, trunk: &Trunk) {
    let identity = trunk.identity.iter().map(|source| identity_word(*source).to_owned());
    let values = [
        ("identity", texts(identity)),
        ("verstat", trunk.verstat.into()),
        ("passports", trunk.passports.into()),
    ];
    complete(said, values);
}
