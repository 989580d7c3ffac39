//! Digit collection.
