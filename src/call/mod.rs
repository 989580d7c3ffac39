//! One call = a dialog + a media session + a flow; and the switchboard of all calls.

pub mod record;
pub mod view;

pub use record::{CallRecord, EndedBy, HandOver, HandOverOutcome, MediaFigures};
pub use view::{CallView, HandOverView, Stage};
