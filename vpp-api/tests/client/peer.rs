//! A scripted VPP for tests of the client.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use vpp_api::client::{CallResult, Client, Observer, Options};
use vpp_api::message::Message;
use vpp_api::messages::interface::SwInterfaceEvent;
use vpp_api::messages::lb::{LbAsV2Details, LbVip};
use vpp_api::messages::memclnt::ControlPingReply;
use vpp_api::messages::vpe::{ShowVersion, ShowVersionReply};
use vpp_api::server::{AnyRequest, Incoming, ServedTable, Session};
use vpp_api::types::{Address, FixedString, IfStatusFlags, InterfaceIndex, Retval};

pub(crate) const CLIENT_INDEX: u32 = 0x8000_0001;

/// The other end of a client's socket. It does what the test tells it, and nothing by itself.
pub(crate) struct Peer {
    pub(crate) stream: UnixStream,
    pub(crate) session: Session,
}

impl Peer {
    /// A client, connected, and its peer, which serves every message.
    pub(crate) async fn connected(options: Options) -> (Client, Self) {
        Self::serving(ServedTable::of_this_crate(7), options).await
    }

    /// A client, connected, and its peer, which serves `table`.
    pub(crate) async fn serving(table: ServedTable, options: Options) -> (Client, Self) {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let mut peer = Self::on(theirs, table);
        let greeting = async {
            peer.next().await;
            peer.flush().await;
        };
        let (client, ()) = tokio::join!(Client::from_stream(ours, options), greeting);
        (client.expect("the handshake succeeds"), peer)
    }

    /// The peer of the next client that connects to `listener`, greeted.
    pub(crate) async fn accept(listener: &UnixListener) -> Self {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut peer = Self::on(stream, ServedTable::of_this_crate(1));
        peer.next().await;
        peer.flush().await;
        peer
    }

    /// A peer that has not greeted anybody yet.
    pub(crate) fn on(stream: UnixStream, table: ServedTable) -> Self {
        Self { stream, session: Session::new(Arc::new(table), CLIENT_INDEX) }
    }

    /// The next request.
    pub(crate) async fn next(&mut self) -> Incoming {
        self.try_next().await.expect("the client sends a request before it closes")
    }

    /// The next request; `None` when the client has closed.
    pub(crate) async fn try_next(&mut self) -> Option<Incoming> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(incoming) = self.session.poll_request().expect("the client sends good frames") {
                return Some(incoming);
            }
            match self.stream.read(&mut buffer).await.expect("the socket can be read") {
                0 => return None,
                count => self.session.handle_bytes(&buffer[..count]),
            }
        }
    }

    /// Answers a dump and its ping, which have to be next, with `rows`.
    pub(crate) async fn answer_dump<M: Message>(&mut self, rows: Vec<M>) {
        let dump = self.next().await;
        for row in &rows {
            self.session.reply(dump.context, row).expect("the message is served");
        }
        let end = self.next().await;
        assert!(matches!(end.request, AnyRequest::ControlPing(_)), "a dump is followed by a ping, not {end:?}");
        self.reply(end.context, &pong()).await;
    }

    /// Sends a reply or a details message.
    pub(crate) async fn reply<M: Message>(&mut self, context: u32, message: &M) {
        self.session.reply(context, message).expect("the message is served");
        self.flush().await;
    }

    /// Sends what is in the session's output.
    pub(crate) async fn flush(&mut self) {
        let output = self.session.take_output();
        self.send(&output).await;
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the client takes bytes");
    }

    /// Sends one frame around `body`.
    pub(crate) async fn send_body(&mut self, body: &[u8]) {
        let mut frame = [0; 16].to_vec();
        frame[8..12].copy_from_slice(&u32::try_from(body.len()).expect("a short body").to_be_bytes());
        frame.extend_from_slice(body);
        self.send(&frame).await;
    }

    /// The id of `M`, as two bytes.
    pub(crate) fn id<M: Message>(&self) -> [u8; 2] {
        self.session.table().table().id_of::<M>().expect("the message is served").to_be_bytes()
    }
}

pub(crate) fn version(version: &str) -> ShowVersionReply {
    ShowVersionReply {
        retval: Retval::OK,
        program: FixedString::clipped("vpe"),
        version: FixedString::clipped(version),
        build_date: FixedString::default(),
        build_directory: FixedString::default(),
    }
}

pub(crate) fn pong() -> ControlPingReply {
    ControlPingReply { retval: Retval::OK, client_index: CLIENT_INDEX, vpe_pid: 4711 }
}

/// An observer that keeps what it is told.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<(&'static str, Option<CallResult>)>>);

impl Log {
    /// Starts, without a result, and ends, in order.
    pub(crate) fn seen(&self) -> Vec<(&'static str, Option<CallResult>)> {
        self.0.lock().expect("no panic before").clone()
    }
}

impl Observer for Log {
    fn sent(&self, name: &'static str) {
        self.0.lock().expect("no panic before").push((name, None));
    }

    fn received(&self, name: &'static str, result: CallResult, elapsed: Duration) {
        assert!(elapsed < Duration::from_secs(60));
        self.0.lock().expect("no panic before").push((name, Some(result)));
    }
}

/// A call on a good connection succeeds.
pub(crate) async fn assert_still_good(client: &Client, peer: &mut Peer) {
    let (reply, ()) = tokio::join!(client.call(&ShowVersion {}), async {
        let incoming = peer.next().await;
        assert_eq!(incoming.request, ShowVersion {}.into());
        peer.reply(incoming.context, &version("good")).await;
    });
    assert_eq!(reply.expect("the connection is good").version.to_str_lossy(), "good");
}

/// One row of a dump.
pub(crate) fn details(weight: u8) -> LbAsV2Details {
    LbAsV2Details {
        vip: LbVip::default(),
        app_srv: Address::default(),
        flags: 1,
        in_use_since: 0,
        weight,
        num_buckets: 0,
    }
}

/// What happened to the interface with this number.
pub(crate) fn event(number: u32) -> SwInterfaceEvent {
    SwInterfaceEvent { pid: 7, sw_if_index: InterfaceIndex(number), flags: IfStatusFlags::LINK_UP, deleted: false }
}

/// A path for a socket, removed at the end.
pub(crate) struct Socket(PathBuf);

impl Socket {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vpp-api-{}-{name}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
