//! The client against servers on the loopback: the demo's, and ones that misbehave.
