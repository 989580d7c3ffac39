//! The demo's actions, as its file says them, asked of the demo's back end over the loopback.

use std::future::Future;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::crm::Client;
use crate::flow::{Ani, AniSource, Answer, Customer, Failure, Matches, PhoneNumber, Query, Trust};

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

/// Does `work` with a client of the demo's back end while that serves, and sees it shut down.
async fn with_back_end<F: Future>(
    deadline: Duration,
    work: impl FnOnce(Client, oneshot::Sender<()>) -> F,
) -> F::Output {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let crm = Some(listener.local_addr().expect("an address"));
    let mut demo = Configuration::demo(&Overrides { crm, ..Overrides::default() });
    demo.back_end.deadline = deadline;
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
        (pin("99999999", "0000"), failed(Failure::Status)),
    ];
    with_back_end(DEADLINE, |client, stop| async move {
        for ((action, query), expected) in table {
            assert_eq!(client.ask(&action, &query).await, expected, "{action} for {expected:?}");
        }
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
