//! The pool of media ports: pairs of an even port for RTP and the odd one after it for RTCP
//! (RFC 3550 §11).

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// The RTP ports that are free, least recently used first, so that late packets of an ended call do not
/// reach the next one.
#[derive(Debug)]
pub struct PortPool {
    free: VecDeque<u16>,
    size: usize,
}

impl PortPool {
    /// All the pairs that lie wholly inside `ports`.
    pub fn new(ports: &RangeInclusive<u16>) -> Self {
        let first = u32::from(*ports.start()).next_multiple_of(2);
        let last = u32::from(*ports.end());
        let free: VecDeque<u16> = (first..last).step_by(2).map(|port| port as u16).collect();
        Self { size: free.len(), free }
    }

    /// Takes a port out of the pool; `None` when all are in use.
    pub fn reserve(&mut self) -> Option<u16> {
        self.free.pop_front()
    }

    /// Puts a reserved port back.
    pub fn release(&mut self, port: u16) {
        self.free.push_back(port);
    }

    /// How many ports are reserved.
    pub fn in_use(&self) -> usize {
        self.size - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_pairs_count_and_the_oldest_is_reused_first() {
        let mut pool = PortPool::new(&(20001..=20006));
        assert_eq!((pool.reserve(), pool.reserve(), pool.reserve()), (Some(20002), Some(20004), None));
        assert_eq!(pool.in_use(), 2);
        pool.release(20004);
        pool.release(20002);
        assert_eq!((pool.in_use(), pool.reserve()), (0, Some(20004)));
    }

    #[test]
    fn the_last_pair_of_all_ports_is_usable() {
        let mut pool = PortPool::new(&(65532..=65535));
        assert_eq!((pool.reserve(), pool.reserve(), pool.reserve()), (Some(65532), Some(65534), None));
    }
}
