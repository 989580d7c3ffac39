//! The test caller's shell: its sockets, its clock, and the loop that joins SIP, media and the [`Caller`].
#![expect(clippy::disallowed_methods, reason = "shell: the test caller's loop reads the clock")]

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::address::{Address, AddressError};
use super::caller::{Action, Caller, Event};
use super::media::Media;
use super::recording::Recording;
use super::timeline::Leg;
use super::voice::{Origin, Voice};
use crate::net::{
    self,
    dns::{Dns, Found, Locator},
    sip::{Arrival, Caps, Inlet, Listen, Outlet, Tls},
};
use crate::sdp::{self, Codecs, Negotiated, Offer, Protection, Session, Terms};
use crate::sip::{
    self, Call, Destination, DialogId, EndCause, Endpoint, Hop, Search, Transport, Way, Whereabouts,
};
use crate::srtp::{KeyRing, Suite};

/// Longest datagram of RTP.
const DATAGRAM_MAX: usize = 65_535;
/// Datagrams taken from one socket before the others have their turn.
const DATAGRAMS_AT_ONCE: usize = 64;
/// Connections at a time: to the service, to the target, and what peers may make of their own.
const CONNECTIONS_MAX: usize = 16;
/// How often a pair of neighbouring ports is looked for.
const PORT_TRIES: usize = 200;

/// What a call is to be like: encrypted, where there are keys for that.
fn terms<'a>(codecs: &'a Codecs, keys: Option<&'a KeyRing>) -> Terms<'a> {
    Terms { codecs, protection: keys.map_or(Protection::Off, Protection::Required) }
}

/// Why a call could not be placed at all.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// A socket could not be had, or its address not be told.
    #[error("no socket for the call: {0}")]
    Socket(#[from] io::Error),
    /// No even port with a free neighbour.
    #[error("no pair of free ports for sound")]
    NoPorts,
    /// The address is of no use.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A value cannot stand in a SIP message.
    #[error("the calling number or the address cannot stand in a SIP message")]
    Unspeakable,
}

/// One call's dialog and media.
struct Line {
    dialog: DialogId,
    rtp: UdpSocket,
    /// Held so that the peer's RTCP has somewhere to go; nothing reads it.
    _control: UdpSocket,
    session: Session,
    codecs: Codecs,
    answered: bool,
    media: Option<Media>,
}

/// A telephone with two lines.
pub struct Phone {
    from: String,
    ip: IpAddr,
    /// Our keys for encrypted sound, where the caller insists on that.
    keys: Option<KeyRing>,
    inlet: Inlet,
    outlet: Outlet,
    endpoint: Endpoint,
    rng: StdRng,
    service: Option<Line>,
    target: Option<Line>,
    caller: Caller,
    recording: Recording,
    dns: Dns,
    locator: Locator,
    found: Found,
    /// Where the target of a REFER was found to be.
    targets: (mpsc::Sender<Target>, mpsc::Receiver<Target>),
}

/// An address, and where it leads.
type Target = (Address, Vec<Destination>);

impl Phone {
    /// Opens the sockets and readies the INVITE from the user `from`; `caller` begins now. Needs a tokio runtime.
    pub async fn dial(
        from: &str,
        to: &Address,
        (codecs, srtp): (Codecs, Option<Suite>),
        caller: Caller,
        dns: Dns,
        tls: Tls,
    ) -> Result<Self, PhoneError> {
        let destinations = find(&dns, to).await;
        let first = destinations.first().ok_or_else(|| to.unresolved())?;
        let ip = local_ip_towards(first.address)?;
        let listen = [Transport::Udp, Transport::Tcp]
            .map(|transport| Listen { transport, address: SocketAddr::new(ip, 0) });
        let caps = Caps { connections: CONNECTIONS_MAX, connections_per_source: CONNECTIONS_MAX };
        let (outlet, inlet) = net::sip::open(&listen, caps, tls).await.map_err(|fault| fault.source)?;
        let listeners = outlet.listeners().to_vec();
        let mut rng = StdRng::from_os_rng();
        let config = sip::Config {
            whereabouts: Whereabouts { listeners, external: None, local_networks: Vec::new() },
            realm: "portero".to_owned(),
            user_agent: concat!("portero-call/", env!("CARGO_PKG_VERSION")).to_owned(),
            accept_referrals: true,
            retry_after: Duration::from_secs(1),
        };
        let endpoint = Endpoint::new(config, StdRng::from_rng(&mut rng));
        let from = from.to_owned();
        let keys = srtp.map(|suite| KeyRing::draw(&[suite], &mut rng));
        let recording = Recording::default();
        let (locator, found) = Locator::new(dns.clone());
        let mut phone = Self {
            from,
            ip,
            keys,
            inlet,
            outlet,
            endpoint,
            rng,
            service: None,
            target: None,
            caller,
            recording,
            dns,
            locator,
            found,
            targets: mpsc::channel(1),
        };
        phone.service = Some(phone.place(to, &destinations, codecs)?);
        Ok(phone)
    }

    /// Runs the call to its end; `tell` is called after everything that happens. Gives back the caller and what it
    /// heard.
    pub async fn run(mut self, mut tell: impl FnMut(&Caller)) -> (Caller, Recording) {
        let mut buffer = vec![0; DATAGRAM_MAX];
        let mut interruption = pin!(tokio::signal::ctrl_c());
        let mut interrupted = false;
        loop {
            self.settle(Instant::now());
            tell(&self.caller);
            if self.caller.is_over() {
                return (self.caller, self.recording);
            }
            let due = self.poll_timeout();
            tokio::select! {
                arrival = self.inlet.receive() => take_in(&mut self.endpoint, arrival),
                Some((id, located)) = self.found.recv() => {
                    self.endpoint.located(id, located, Instant::now());
                }
                Some((address, destinations)) = self.targets.1.recv() => {
                    self.call_target(&address, &destinations);
                }
                () = rtp_readable(self.service.as_ref()) => {}
                () = rtp_readable(self.target.as_ref()) => {}
                () = sleep_until(due) => {}
                _ = &mut interruption, if !interrupted => {
                    interrupted = true;
                    self.caller.leave(Instant::now());
                }
            }
            self.hear_all(&mut buffer, Instant::now());
            self.handle_timeout(Instant::now());
        }
    }

    fn line(&mut self, leg: Leg) -> Option<&mut Line> {
        match leg {
            Leg::Service => self.service.as_mut(),
            Leg::Target => self.target.as_mut(),
        }
    }

    fn leg_of(&self, dialog: DialogId) -> Option<Leg> {
        let is_on = |line: &Option<Line>| line.as_ref().is_some_and(|line| line.dialog == dialog);
        [(Leg::Service, &self.service), (Leg::Target, &self.target)]
            .into_iter()
            .find_map(|(leg, line)| is_on(line).then_some(leg))
    }

    /// Sends an INVITE with an offer for a pair of ports of its own.
    fn place(
        &mut self,
        to: &Address,
        destinations: &[Destination],
        codecs: Codecs,
    ) -> Result<Line, PhoneError> {
        let mut hops = self.hops_to(destinations);
        // The target may be at an address of the other family than the service.
        let hop = hops.pop_front().ok_or_else(|| to.unresolved())?;
        let (rtp, control) = open_pair(self.ip)?;
        let session = Session { id: self.rng.random::<u32>().into(), version: 1 };
        let call = Call {
            to_uri: to.uri.clone(),
            from_user: self.from.clone(),
            from_display: None,
            hop,
            spares: hops.into(),
            sdp: sdp::offer(rtp.local_addr()?, session, terms(&codecs, self.keys.as_ref())),
            headers: to.headers.clone(),
        };
        let dialog = self.endpoint.invite(&call, Instant::now()).ok_or(PhoneError::Unspeakable)?;
        Ok(Line { dialog, rtp, _control: control, session, codecs, answered: false, media: None })
    }

    fn hops_to(&self, destinations: &[Destination]) -> VecDeque<Hop> {
        let whereabouts = self.endpoint.whereabouts();
        destinations.iter().filter_map(|it| whereabouts.hop_to(it.transport, it.address)).collect()
    }

    fn hear_all(&mut self, buffer: &mut [u8], now: Instant) {
        for leg in [Leg::Service, Leg::Target] {
            for _ in 0..DATAGRAMS_AT_ONCE {
                let Some(line) = self.line(leg) else { break };
                let Ok((length, _)) = line.rtp.try_recv_from(buffer) else { break };
                self.hear(leg, &mut buffer[..length], now);
            }
        }
    }

    fn hear(&mut self, leg: Leg, datagram: &mut [u8], now: Instant) {
        let audio = self.line(leg).and_then(|line| line.media.as_mut()?.receive(datagram));
        let Some((timestamp, samples)) = audio else { return };
        if leg == self.caller.listens_to() {
            self.recording.push(timestamp, &samples);
        }
        self.caller.handle(Event::Audio(leg, &samples), now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.endpoint.poll_timeout().is_some_and(|due| due <= now) {
            self.endpoint.handle_timeout(now);
        }
        if self.caller.poll_timeout().is_some_and(|due| due <= now) {
            self.caller.handle_timeout(now);
        }
        for line in [&mut self.service, &mut self.target].into_iter().flatten() {
            let Some(media) = &mut line.media else { continue };
            while let Some(packet) = media.poll_transmit(now) {
                // RTP that the kernel has no room for is lost, as it may be anywhere on its way.
                let _ = line.rtp.try_send_to(&packet, media.remote);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let lines = [&self.service, &self.target].into_iter().flatten();
        let voices = lines.filter_map(|line| line.media.as_ref()).map(|media| media.voice.poll_timeout());
        voices.chain(self.endpoint.poll_timeout()).chain(self.caller.poll_timeout()).min()
    }

    /// Carries events to the caller and its wishes to the endpoint until neither has any more, and sends.
    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(event) = self.endpoint.poll_event() {
                self.take_event(event, now);
            } else if let Some(action) = self.caller.poll_action() {
                self.carry_out(action, now);
            } else {
                break;
            }
        }
        send_out(&mut self.endpoint, &self.outlet, &self.locator, now);
    }

    fn take_event(&mut self, event: sip::Event, now: Instant) {
        match event {
            sip::Event::Invited(dialog, _) => self.endpoint.reject(dialog, 486, now),
            sip::Event::Ringing(dialog) => self.tell(dialog, Event::Ringing, now),
            sip::Event::Answered(dialog, answer) => self.answered(dialog, &answer, now),
            sip::Event::Confirmed(dialog, Some(answer)) => {
                self.agree(dialog, self.read_answer(&answer), now);
            }
            sip::Event::Reinvited(dialog, offer) => self.reinvited(dialog, offer.as_deref(), now),
            sip::Event::Referred(dialog, referral) if self.leg_of(dialog) == Some(Leg::Service) => {
                self.caller.handle(Event::Referred(&referral), now);
            }
            sip::Event::Referred(dialog, _) => self.endpoint.answer_refer(dialog, 603, now),
            sip::Event::Ended(dialog, cause) => self.ended(dialog, cause, now),
            // The last of these tell of what a phone never asked.
            sip::Event::Confirmed(_, None)
            | sip::Event::Digit(..)
            | sip::Event::Referral(..)
            | sip::Event::Replied(..)
            | sip::Event::Explained(..) => {}
        }
    }

    fn tell(&mut self, dialog: DialogId, event: impl FnOnce(Leg) -> Event<'static>, now: Instant) {
        if let Some(leg) = self.leg_of(dialog) {
            self.caller.handle(event(leg), now);
        }
    }

    fn answered(&mut self, dialog: DialogId, answer: &str, now: Instant) {
        let agreed = self.read_answer(answer);
        let Some(leg) = self.leg_of(dialog) else { return };
        let Some(line) = self.line(leg) else { return };
        line.answered = true;
        let event = if agreed.is_some() { Event::Answered(leg) } else { Event::Unusable(leg) };
        self.agree(dialog, agreed, now);
        self.recording.begin_leg();
        self.caller.handle(event, now);
    }

    fn read_answer(&self, answer: &str) -> Option<Negotiated> {
        match &self.keys {
            Some(ring) => sdp::read_encrypted_answer(answer, ring).ok(),
            None => sdp::read_answer(answer).ok(),
        }
    }

    /// Sends and hears from now on as agreed.
    fn agree(&mut self, dialog: DialogId, agreed: Option<Negotiated>, now: Instant) {
        // RFC 3711 §3.3.1: whoever misses the first packets can still count those that follow.
        let sequence = self.rng.random_range(0..1 << 15);
        let origin = Origin { ssrc: self.rng.random(), sequence, timestamp: self.rng.random() };
        let leg = self.leg_of(dialog);
        let Some((line, agreed)) = leg.and_then(|leg| self.line(leg)).zip(agreed) else { return };
        match &mut line.media {
            Some(media) => media.change(&agreed),
            None => line.media = Some(Media::new(Voice::new(origin, &agreed, now), &agreed)),
        }
    }

    fn reinvited(&mut self, dialog: DialogId, offer: Option<&str>, now: Instant) {
        let keys = self.keys.clone();
        let Some(line) = self.leg_of(dialog).and_then(|leg| self.line(leg)) else { return };
        let Ok(local) = line.rtp.local_addr() else { return };
        let session = Session { version: line.session.version + 1, ..line.session };
        line.session = session;
        let codecs = line.codecs.clone();
        let terms = terms(&codecs, keys.as_ref());
        let Some(offer) = offer else {
            return self.endpoint.accept(dialog, &sdp::offer(local, session, terms), now);
        };
        let answer =
            Offer::parse(offer).ok().and_then(|offer| sdp::negotiate(&offer, local, session, terms).ok());
        match answer {
            Some((answer, agreed)) => {
                self.endpoint.accept(dialog, &answer, now);
                self.agree(dialog, Some(agreed), now);
            }
            None => self.endpoint.reject(dialog, 488, now),
        }
    }

    fn ended(&mut self, dialog: DialogId, cause: EndCause, now: Instant) {
        let Some(leg) = self.leg_of(dialog) else { return };
        if let Some(line) = self.line(leg) {
            line.media = None;
        }
        self.caller.handle(Event::Ended(leg, cause), now);
    }

    fn carry_out(&mut self, action: Action, now: Instant) {
        match action {
            Action::Press(digit) => {
                if let Some(media) = self.service.as_mut().and_then(|line| line.media.as_mut()) {
                    media.voice.press(digit);
                }
            }
            Action::AnswerReferral(status) => {
                if let Some(line) = &self.service {
                    self.endpoint.answer_refer(line.dialog, status, now);
                }
            }
            Action::Report(status, last) => {
                if let Some(line) = &self.service {
                    self.endpoint.notify(line.dialog, status, last, now);
                }
            }
            Action::CallTarget(address) => self.find_target(address),
            Action::HangUp(leg) => {
                let Some((dialog, answered)) = self.line(leg).map(|line| (line.dialog, line.answered)) else {
                    return;
                };
                if answered {
                    self.endpoint.bye(dialog, now);
                } else {
                    self.endpoint.cancel(dialog, now);
                }
            }
        }
    }

    /// Looks up where a REFER leads, beside the call that goes on meanwhile.
    fn find_target(&self, address: Address) {
        let (dns, targets) = (self.dns.clone(), self.targets.0.clone());
        tokio::spawn(async move {
            let destinations = find(&dns, &address).await;
            // Without a phone to hear it, nobody waits for it.
            drop(targets.send((address, destinations)).await);
        });
    }

    fn call_target(&mut self, address: &Address, destinations: &[Destination]) {
        if let Ok(line) = self.place(address, destinations, Codecs::default()) {
            self.target = Some(line);
        } else {
            // RFC 3261 §21.4.5: whom we cannot find is not found.
            let ended = Event::Ended(Leg::Target, EndCause::Refused(404));
            self.caller.handle(ended, Instant::now());
        }
    }
}

/// Gives an endpoint what has come in.
pub fn take_in(endpoint: &mut Endpoint, arrival: Arrival<'_>) {
    match arrival {
        Arrival::Message(hop, payload) => endpoint.receive(hop, &payload, Instant::now()),
        Arrival::Unreachable(hop, domain) => endpoint.unreachable(&hop, domain.as_ref(), Instant::now()),
    }
}

/// Looks up and sends what an endpoint wants looked up and sent.
pub fn send_out(endpoint: &mut Endpoint, outlet: &Outlet, locator: &Locator, now: Instant) {
    while let Some((id, search)) = endpoint.poll_search() {
        locator.locate(id, search);
    }
    while let Some(transmit) = endpoint.poll_transmit() {
        let (hop, domain) = (transmit.hop, transmit.domain.clone());
        if outlet.send(transmit).is_err() {
            endpoint.unreachable(&hop, domain.as_ref(), now);
        }
    }
}

/// Where an address leads, the best first, of what this machine has a route to.
pub async fn find(dns: &Dns, address: &Address) -> Vec<Destination> {
    let transports = [Transport::Udp, Transport::Tcp, Transport::Tls];
    let ways = transports.into_iter().flat_map(|transport| [true, false].map(|ipv6| Way { transport, ipv6 }));
    let search = Search::new(address.sought.clone(), &ways.collect::<Vec<_>>(), rand::random());
    let found = dns.locate(search).await.destinations.into_iter();
    found.filter(|found| local_ip_towards(found.address).is_ok()).collect()
}

/// The shell's clock.
pub fn now() -> Instant {
    Instant::now()
}

async fn rtp_readable(line: Option<&Line>) {
    match line {
        Some(line) => drop(line.rtp.readable().await),
        None => std::future::pending().await,
    }
}

pub async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// The address of ours that packets to `destination` leave from.
pub fn local_ip_towards(destination: SocketAddr) -> io::Result<IpAddr> {
    let any: SocketAddr =
        if destination.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    // Connecting a datagram socket sends nothing; it only picks the route.
    let probe = std::net::UdpSocket::bind(any)?;
    probe.connect(destination)?;
    Ok(probe.local_addr()?.ip())
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// Sockets for RTP on an even port and RTCP on the next (RFC 3550 §11).
fn open_pair(ip: IpAddr) -> Result<(UdpSocket, UdpSocket), PhoneError> {
    for _ in 0..PORT_TRIES {
        let rtp = open((ip, 0).into())?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 0
            && let Ok(control) = open((ip, port + 1).into())
        {
            return Ok((rtp, control));
        }
    }
    Err(PhoneError::NoPorts)
}
