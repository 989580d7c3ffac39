//! Octets cut into packets, each headed by an octet of flags and one of length.

/// More of them find nothing that these do not.
const PACKETS_MAX: usize = 64;

pub fn of(data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (&[flags, length], more) = rest.split_first_chunk()?;
        let (packet, more) = more.split_at(more.len().min(length.into()));
        rest = more;
        Some((flags, packet))
    })
    .take(PACKETS_MAX)
}
