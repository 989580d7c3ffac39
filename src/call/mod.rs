//! One call = a dialog + a media session + a flow; and the switchboard of all calls.

mod agents;
mod caller;
mod directory;
mod emergency;
mod hand_over;
mod happening;
mod keypad;
mod ladder;
mod numbers;
mod one;
mod passports;
mod plan;
mod ports;
pub mod record;
mod sounding;
mod speaking;
mod strain;
mod switchboard;
mod trace;
mod trunk;
mod turnstile;
mod uplink;
pub mod view;

pub use directory::{Address, Directory, Pattern};
pub use emergency::Emergencies;
pub use happening::{Aim, Happening, Lock, Milestone, MilestoneKind};
pub use ladder::Ladder;
pub use numbers::{NumberRange, Numbers};
pub use one::CallId;
pub use passports::Passports;
pub use plan::{Agents, HandOverTimes, Here, Intake, Network, Plan, Sound, Srtp, Target, TargetUri, Tones};
pub use ports::PortPool;
pub use record::{CallRecord, EndedBy, HandOver, HandOverOutcome, MediaFigures, RECORD_VERSION};
pub use speaking::{Said, Speech, Utterance};
pub use switchboard::{Action, Copied, Origin, Switchboard, Tap, WallClock};
pub use trace::{Message, Trace};
pub use trunk::{IpNet, Strangers, Trunk, Trunks};
pub use uplink::{
    Register, RegistrationView, RegistrationWord, ServerView, TrunkNews, TrunkState, TrunkView, Uplink,
};
pub use view::{CallView, HandOverView, Stage};
