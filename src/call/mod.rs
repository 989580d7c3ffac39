//! One call = a dialog + a media session + a flow; and the switchboard of all calls.

mod agents;
mod caller;
mod door;
mod hand_over;
mod keypad;
mod one;
mod plan;
mod ports;
pub mod record;
mod switchboard;
mod trunk;
pub mod view;

pub use one::CallId;
pub use plan::{Agents, HandOverTimes, Here, Intake, Network, Plan, Target, TargetUri};
pub use record::{CallRecord, EndedBy, HandOver, HandOverOutcome, MediaFigures, RECORD_VERSION};
pub use switchboard::{Action, Switchboard, WallClock};
pub use trunk::{IpNet, Strangers, Trunk, Trunks};
pub use view::{CallView, HandOverView, Stage};
