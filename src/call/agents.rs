//! The demo's agents: what they say to a call that was handed to them, and what they remember of it.

use std::collections::{HashMap, VecDeque};

use crate::flow::{PromptId, Standing, Verdict};

/// The most hand-overs remembered; the oldest is forgotten first.
const REMEMBERED_MAX: usize = 1_000;

/// The hand-overs that the demo's agents may be sent, by token.
#[derive(Debug, Default)]
pub struct Expected {
    by_token: HashMap<String, (Verdict, Option<String>)>,
    oldest_first: VecDeque<String>,
}

impl Expected {
    /// Remembers that a call of this standing has been sent off with `token`.
    pub fn remember(&mut self, token: String, standing: &Standing) {
        if self.oldest_first.len() >= REMEMBERED_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by_token.remove(&oldest);
        }
        let customer = standing.customer().map(|customer| customer.id.clone());
        self.oldest_first.push_back(token.clone());
        self.by_token.insert(token, (standing.verdict(), customer));
    }

    /// What to say to a call that came with this token and this verdict header. The token is believed first,
    /// because it is ours.
    pub fn announcement(&self, token: Option<&str>, verdict: Option<&str>) -> Vec<PromptId> {
        match token.and_then(|token| self.by_token.get(token)) {
            Some((verdict, customer)) => announcement(Some(*verdict), customer.as_deref()),
            None => announcement(verdict.and_then(Verdict::parse), None),
        }
    }
}

/// The verdict, or that there is none, and the digits of the customer's identifier.
fn announcement(verdict: Option<Verdict>, customer: Option<&str>) -> Vec<PromptId> {
    let verdict = match verdict {
        Some(Verdict::Verified) => "agent-verified",
        Some(Verdict::Identified) => "agent-identified",
        Some(Verdict::Unidentified) => "agent-unidentified",
        None => "agent-unknown",
    };
    let mut prompts = vec![PromptId::new(verdict)];
    if let Some(customer) = customer {
        prompts.push(PromptId::new("agent-customer"));
        let digits = customer.chars().filter(char::is_ascii_digit);
        prompts.extend(digits.map(|digit| PromptId::new(format!("digit-{digit}"))));
    }
    prompts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Customer;

    fn said(expected: &Expected, token: Option<&str>, verdict: Option<&str>) -> String {
        let prompts = expected.announcement(token, verdict);
        prompts.iter().map(PromptId::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_agent_says_the_verdict_and_the_customers_digits() {
        let mut expected = Expected::default();
        let customer = Customer::new("C-10", None);
        expected.remember("t1".into(), &Standing::Identified(customer));
        let told = "agent-identified agent-customer digit-1 digit-0";
        assert_eq!(said(&expected, Some("t1"), Some("verified")), told);
        assert_eq!(said(&expected, Some("forged"), Some("unidentified")), "agent-unidentified");
        assert_eq!(said(&expected, None, Some("rich")), "agent-unknown");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut expected = Expected::default();
        for call in 0..=REMEMBERED_MAX {
            expected.remember(format!("t{call}"), &Standing::Unidentified);
        }
        assert_eq!(said(&expected, Some("t0"), None), "agent-unknown");
        assert_eq!(said(&expected, Some("t1"), None), "agent-unidentified");
        assert_eq!(expected.by_token.len(), REMEMBERED_MAX);
    }
}
