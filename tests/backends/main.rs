//! The pages of docs/backends: each part of a configuration that they show is one without faults, and asks a stand-in that
//! answers as the service's own documentation has it.

mod command;
mod page;
mod stand_in;

use page::Page;
use portero::crm::Client;
use portero::flow::{
    ActionName, Ani, AniSource, Answer, Customer, Failure, Matches, PhoneNumber, Query, Trust,
};
use portero::secret::Secret;
use stand_in::Service;

/// What a page's actions come to: asked by number, by identifier and for the PIN.
struct Asked {
    client: Client,
}

impl Asked {
    async fn ask(&self, action: &str, query: Query) -> Answer {
        self.client.ask(&ActionName::new(action), &query).await
    }

    async fn number(&self, number: &str) -> Answer {
        let number = PhoneNumber::parse(number).expect("a number");
        let ani = Ani { number, source: AniSource::From, trust: Trust::Claimed };
        self.ask("customer_by_number", Query::Number(ani)).await
    }

    async fn identifier(&self, digits: &str) -> Answer {
        self.ask("customer_by_identifier", Query::Identifier(Secret::new(digits.to_owned()))).await
    }

    async fn pin(&self, customer: &Customer, digits: &str) -> Answer {
        let secret = Secret::new(digits.to_owned());
        let query = Query::Secret { customer: customer.clone(), secret, positions: Vec::new() };
        self.ask("check_pin", query).await
    }

    /// Finds the one customer who has the first number, and sees that others are found or not as they should be.
    async fn one_several_or_none(&self) -> Customer {
        let Answer::LookUp(Matches::One(customer)) = self.number("+12025550101").await else {
            panic!("one customer has this number");
        };
        let several = self.number("+12025550104").await;
        assert!(matches!(&several, Answer::LookUp(Matches::Several(two)) if two.len() == 2), "{several:?}");
        assert_eq!(self.number("+12025550199").await, Answer::LookUp(Matches::None));
        self.identified(&customer).await;
        customer
    }

    async fn identified(&self, customer: &Customer) {
        let Answer::LookUp(Matches::One(found)) = self.identifier("10000001").await else {
            panic!("one customer has this identifier");
        };
        assert_eq!((&found.id, &found.name), (&customer.id, &customer.name));
        assert_eq!(self.identifier("99999999").await, Answer::LookUp(Matches::None));
    }

    async fn verified(&self, customer: &Customer) {
        assert_eq!(self.pin(customer, "4711").await, Answer::Check(true));
        assert_eq!(self.pin(customer, "4712").await, Answer::Check(false));
    }
}

/// Does `work` with the page's actions while the stand-in serves.
async fn with<F: Future>(name: &str, service: Service, work: impl FnOnce(Asked) -> F) -> F::Output {
    let page = Page::read(name);
    page.check();
    let (address, serve) = stand_in::serve(service).await;
    let asked = Asked { client: Client::new(page.config(address, page::CREDENTIAL)).expect("a client") };
    tokio::select! {
        done = work(asked) => done,
        served = serve => unreachable!("it serves for ever: {served:?}"),
    }
}

fn attributes(customer: &Customer) -> Vec<String> {
    customer.attributes.iter().map(|(name, texts)| format!("{name}={}", texts.join(","))).collect()
}

#[tokio::test]
async fn salesforce_finds_contacts_and_checks_their_pins() {
    with("salesforce", stand_in::salesforce, |asked| async move {
        let customer = asked.one_several_or_none().await;
        assert_eq!((customer.id.as_str(), customer.name.as_deref()), ("0035g000001", Some("Zoë O'Connor")));
        assert_eq!(attributes(&customer), ["language=de", "segment=gold"]);
        asked.verified(&customer).await;
    })
    .await;
}

#[tokio::test]
async fn hubspot_finds_contacts_and_another_service_checks_their_pins() {
    with("hubspot", stand_in::hubspot, |asked| async move {
        let customer = asked.one_several_or_none().await;
        assert_eq!((customer.id.as_str(), customer.name.as_deref()), ("5121", Some("Zoë")));
        assert_eq!(attributes(&customer), ["language=de", "segment=gold"]);
        asked.verified(&customer).await;
    })
    .await;
}

#[tokio::test]
async fn zendesk_finds_users_and_counts_their_tickets() {
    with("zendesk", stand_in::zendesk, |asked| async move {
        let customer = asked.one_several_or_none().await;
        assert_eq!((customer.id.as_str(), customer.name.as_deref()), ("35431", Some("Zoë O'Connor")));
        assert_eq!(attributes(&customer), ["contacts=+12025550101", "language=en", "segment=gold"]);
        let record = asked.ask("customer_record", Query::Record(customer)).await;
        assert_eq!(record, Answer::Record([("tickets".into(), vec!["102".to_owned()])].into()));
    })
    .await;
}

#[tokio::test]
async fn servicenow_finds_users_and_checks_their_pins() {
    with("servicenow", stand_in::servicenow, |asked| async move {
        let customer = asked.one_several_or_none().await;
        let id = "6816f79cc0a8016401c5a33be04be441";
        assert_eq!((customer.id.as_str(), customer.name.as_deref()), (id, Some("Zoë O'Connor")));
        assert_eq!(attributes(&customer), ["language=en", "segment=gold"]);
        asked.verified(&customer).await;
    })
    .await;
}

#[tokio::test]
async fn dynamics_finds_contacts_and_checks_their_pins() {
    with("dynamics", stand_in::dynamics, |asked| async move {
        let customer = asked.one_several_or_none().await;
        let id = "00000000-0000-0000-0000-000000000001";
        assert_eq!((customer.id.as_str(), customer.name.as_deref()), (id, Some("Zoë O'Connor")));
        assert_eq!(attributes(&customer), ["segment=gold"]);
        asked.verified(&customer).await;
    })
    .await;
}

#[tokio::test]
async fn data_actions_in_the_manner_of_genesys_are_asked_as_their_contracts_say() {
    with("genesys", stand_in::genesys, |asked| async move {
        let Answer::LookUp(Matches::One(customer)) = asked.number("+12025550101").await else {
            panic!("one customer has this number");
        };
        assert_eq!((customer.id.as_str(), customer.name.as_deref()), ("C-1", Some("Zoë O'Connor")));
        assert_eq!(attributes(&customer), ["tier=standard"], "the default of the contract");
        assert_eq!(asked.number("+12025550199").await, Answer::LookUp(Matches::None));
        asked.identified(&customer).await;
        asked.verified(&customer).await;
    })
    .await;
}

#[tokio::test]
async fn whoever_is_not_let_in_has_a_back_end_that_failed() {
    let services: [(&str, Service); 6] = [
        ("salesforce", stand_in::salesforce),
        ("hubspot", stand_in::hubspot),
        ("zendesk", stand_in::zendesk),
        ("servicenow", stand_in::servicenow),
        ("dynamics", stand_in::dynamics),
        ("genesys", stand_in::genesys),
    ];
    for (name, service) in services {
        let (address, serve) = stand_in::serve(service).await;
        let asked =
            Asked { client: Client::new(Page::read(name).config(address, "wrong")).expect("a client") };
        let answer = tokio::select! {
            answer = asked.number("+12025550101") => answer,
            served = serve => unreachable!("it serves for ever: {served:?}"),
        };
        assert_eq!(answer, Answer::Failed(Failure::Refused), "{name}");
    }
}

#[test]
fn every_page_is_tried() {
    let mut pages: Vec<String> = std::fs::read_dir(page::FOLDER)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    pages.sort();
    let tried = [
        "README.md",
        "dynamics.md",
        "genesys.md",
        "hubspot.md",
        "salesforce.md",
        "servicenow.md",
        "zendesk.md",
    ];
    assert_eq!(pages, tried);
    let contents = std::fs::read_to_string(format!("{}/README.md", page::FOLDER)).expect("the contents");
    for page in &tried[1..] {
        assert!(contents.contains(&format!("({page})")), "{page} is not in the table of contents");
    }
}
