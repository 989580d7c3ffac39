//! The demo's actions, as its file says them, asked of the demo's back end over the loopback.

use std::future::Future;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::crm::Client;
use crate::flow::{
    Ani, AniSource, Answer, Attributes, Customer, Failure, Matches, PhoneNumber, Query, Trust,
};

/// Long enough to be answered on the loopback; only who hangs makes it be waited for.
const DEADLINE: Duration = Duration::from_secs(1);

fn number(number: &str) -> (ActionName, Query) {
    let number = PhoneNumber::parse(number).expect("a number");
    let ani = Ani { number, source: AniSource::From, trust: Trust::Claimed };
    (ActionName::new("customer_by_number"), Query::Number(ani))
}

fn identifier(digits: &str) -> (ActionName, Query) {
    (ActionName::new("customer_by_identifier"), Query::Identifier(Secret::new(digits.into())))
}

fn pin(customer: &str, digits: &str) -> (ActionName, Query) {
    let query = Query::Secret {
        customer: Customer::new(customer, None),
        secret: Secret::new(digits.into()),
        positions: Vec::new(),
    };
    (ActionName::new("check_pin"), query)
}

/// The demo's file, the actions that it shows in comments included.
fn uncommented() -> String {
    let mut text = String::new();
    let mut in_action = false;
    for line in DEMO.lines() {
        let bare = line.strip_prefix("# ").unwrap_or_default();
        in_action = line.starts_with('#') && (in_action || bare.starts_with("[actions."));
        // An action that is there already is only added to in the comment.
        in_action &= !bare.starts_with("[actions.customer_by_number");
        text.push_str(if in_action { bare } else { line });
        text.push('\n');
    }
    text
}

/// Does `work` with a client of the demo's back end while that serves, and sees it shut down.
async fn with_back_end<F: Future>(
    deadline: Duration,
    work: impl FnOnce(Client, oneshot::Sender<()>) -> F,
) -> F::Output {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let crm = Some(listener.local_addr().expect("an address"));
    let demo = Configuration::parse("demo.toml", &uncommented(), &|_| None);
    let demo = demo.unwrap_or_else(|faults| panic!("{faults}"));
    let mut demo = demo.with(&Overrides { crm, ..Overrides::default() });
    demo.back_end.default.deadline = deadline;
    let client = Client::new(demo.back_end).expect("a client");
    let config = demo.demo_back_end.expect("the demo has a back end");
    let (stop, stopped) = oneshot::channel();
    let served = demo::serve(listener, config, async move { drop(stopped.await) });
    let (served, done) = tokio::join!(served, work(client, stop));
    served.expect("it shuts down in order");
    done
}

#[tokio::test]
async fn the_demo_customers_are_found_and_checked() {
    let one = |id: &str, name: &str| Answer::LookUp(Matches::One(Customer::new(id, Some(name))));
    let none = Answer::LookUp(Matches::None);
    let failed = |failure| Answer::Failed(failure);
    let table = [
        (number("+12025550101"), one("10000001", "Zoë O'Connor")),
        (number("12025550103"), one("10000003", "Marta Kowalska")),
        (
            number("+12025550104"),
            Answer::LookUp(Matches::Several(vec![
                Customer::new("10000004", Some("Lena Fischer")),
                Customer::new("10000005", Some("Tom Fischer")),
            ])),
        ),
        (number("+12025559999"), none.clone()),
        (number("+12025550500"), failed(Failure::Status)),
        (identifier("10000005"), one("10000005", "Tom Fischer")),
        (identifier("99999999"), none),
        (identifier("10000500"), failed(Failure::Status)),
        (identifier("10000999"), failed(Failure::TimedOut)),
        (pin("10000001", "4711"), Answer::Check(true)),
        (pin("10000001", "4712"), Answer::Check(false)),
        (pin("10000004", "2468"), Answer::Check(true)),
        (pin("10000500", "0000"), failed(Failure::Status)),
        (pin("99999999", "0000"), failed(Failure::Refused)),
    ];
    with_back_end(DEADLINE, |client, stop| async move {
        for ((action, query), expected) in table {
            assert_eq!(bare(client.ask(&action, &query).await), expected, "{action} for {expected:?}");
        }
        stop.send(()).expect("it serves");
    })
    .await;
}

/// An answer without the customers' attributes.
fn bare(mut answer: Answer) -> Answer {
    match &mut answer {
        Answer::LookUp(Matches::One(customer)) => customer.attributes.clear(),
        Answer::LookUp(Matches::Several(customers)) => {
            for customer in customers {
                customer.attributes.clear();
            }
        }
        _ => {}
    }
    answer
}

/// Asks the action about the customer that another has found.
fn check(action: &str, customer: &str, digits: &str, positions: &[u8]) -> (ActionName, Query) {
    let query = Query::Secret {
        customer: Customer::new(customer, None),
        secret: Secret::new(digits.into()),
        positions: positions.to_vec(),
    };
    (ActionName::new(action), query)
}

fn by(action: &str, digits: &str) -> (ActionName, Query) {
    (ActionName::new(action), Query::Identifier(Secret::new(digits.into())))
}

fn send(customer: &str, contact: Option<&str>) -> (ActionName, Query) {
    let query = Query::Code { customer: Customer::new(customer, None), contact: contact.map(str::to_owned) };
    (ActionName::new("send_code"), query)
}

#[tokio::test]
async fn every_action_that_the_demo_shows_is_answered() {
    let one = |id: &str, name: &str| Answer::LookUp(Matches::One(Customer::new(id, Some(name))));
    let zoe = one("10000001", "Zoë O'Connor");
    let table = [
        (by("customer_by_account", "5500100019"), zoe.clone()),
        (by("customer_by_account", "5500100018"), Answer::LookUp(Matches::None)),
        (by("customer_by_tracking", "700000000041"), one("10000003", "Marta Kowalska")),
        (by("customer_by_alternate_number", "2025550151"), zoe),
        (check("check_pin_digits", "10000001", "71", &[2, 4]), Answer::Check(true)),
        (check("check_pin_digits", "10000001", "17", &[2, 4]), Answer::Check(false)),
        (check("check_birth_date", "10000001", "19840327", &[]), Answer::Check(true)),
        (check("check_birth_date", "10000001", "19840328", &[]), Answer::Check(false)),
        (check("check_last_four", "10000001", "4242", &[]), Answer::Check(true)),
        (check("check_last_four", "10000004", "4242", &[]), Answer::Check(false)),
        (check("check_code", "10000001", "123456", &[]), Answer::Check(false)),
        (send("10000001", Some("+12025550199")), Answer::Sent(false)),
        (send("10000003", None), Answer::Sent(false)),
        (send("10000001", Some("+12025550151")), Answer::Sent(true)),
        (check("check_code", "10000001", "654321", &[]), Answer::Check(false)),
        (check("check_code", "10000001", "123456", &[]), Answer::Check(true)),
        (check("check_code", "10000001", "123456", &[]), Answer::Check(false)),
        (send("10000002", None), Answer::Sent(true)),
        (check("check_code", "10000002", "123456", &[]), Answer::Check(true)),
    ];
    // As large as its table: kept out of the test's own future.
    Box::pin(with_back_end(DEADLINE, |client, stop| async move {
        for (step, ((action, query), expected)) in table.into_iter().enumerate() {
            let answer = bare(client.ask(&action, &query).await);
            assert_eq!(answer, expected, "step {step}: {action}");
        }
        stop.send(()).expect("it serves");
    }))
    .await;
}

#[tokio::test]
async fn the_demo_tells_what_is_to_be_told() {
    let texts = |attributes: &Attributes| -> Vec<_> {
        attributes.iter().map(|(name, texts)| format!("{name}: {}", texts.join(", "))).collect()
    };
    with_back_end(DEADLINE, |client, stop| async move {
        let (action, query) = number("+12025550101");
        let Answer::LookUp(Matches::One(zoe)) = client.ask(&action, &query).await else { panic!("no match") };
        assert_eq!(
            texts(&zoe.attributes),
            ["contacts: +12025550101, +12025550151", "language: en", "segment: gold"]
        );
        let record = ActionName::new("customer_record");
        let Answer::Record(told) = client.ask(&record, &Query::Record(zoe)).await else {
            panic!("no record")
        };
        let expected = ["balance: 1234.56", "currency: USD", "due: 2027-01-15", "status: on its way"];
        assert_eq!(texts(&told), expected);
        let tom = Query::Record(Customer::new("10000005", None));
        let Answer::Record(told) = client.ask(&record, &tom).await else { panic!("no record") };
        assert_eq!(texts(&told), ["balance: 0"]);
        stop.send(()).expect("it serves");
    })
    .await;
}

#[tokio::test]
async fn shutting_down_lets_go_of_who_hangs() {
    let answer = with_back_end(Duration::from_mins(1), |client, stop| async move {
        let (hangs, hung) = number("+12025550999");
        let (answers, asked) = number("+12025550101");
        let stop = async {
            client.ask(&answers, &asked).await;
            stop.send(()).expect("it serves");
        };
        tokio::join!(client.ask(&hangs, &hung), stop).0
    })
    .await;
    // Whether it was let go of in the middle or not even heard, it did not wait for the deadline.
    assert!(matches!(answer, Answer::Failed(Failure::Status | Failure::Unreachable)), "{answer:?}");
}
