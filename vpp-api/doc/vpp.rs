// Hidden in the examples of the documentation, which include it: a VPP of a few lines, so that they run.

#[cfg_attr(not(feature = "server"), allow(unused))]
mod vpp {
    use std::error::Error;
    #[cfg(feature = "tokio")]
    use std::path::{Path, PathBuf};

    #[cfg(feature = "tokio")]
    use vpp_api::client::{Client, Options};
    use vpp_api::connection::Connection;

    /// Runs an example with the client of a VPP. Without the feature `server` it is compiled only.
    #[cfg(feature = "tokio")]
    pub fn with_client(example: impl AsyncFnOnce(Client) -> Result<(), Box<dyn Error>>) {
        with_socket(async |socket| example(Client::from_stream(socket, Options::default()).await?).await);
    }

    /// Runs an example with a socket that a VPP listens to. Without the feature `server` it is compiled only.
    #[cfg(feature = "tokio")]
    pub fn with_socket(example: impl AsyncFnOnce(tokio::net::UnixStream) -> Result<(), Box<dyn Error>>) {
        #[cfg(feature = "server")]
        runtime().block_on(async {
            let (ours, theirs) = tokio::net::UnixStream::pair().expect("a socket pair");
            tokio::spawn(served::serve(theirs));
            example(ours).await.expect("the example works");
        });
    }

    /// Runs an example with the path of an API socket, at which nobody listens before [`start`]. Without the feature
    /// `server` it is compiled only.
    #[cfg(feature = "tokio")]
    pub fn with_path(example: impl AsyncFnOnce(PathBuf) -> Result<(), Box<dyn Error>>) {
        #[cfg(feature = "server")]
        {
            let path = std::env::temp_dir().join(format!("vpp-api-{}.sock", std::process::id()));
            // Left by another process of that number.
            let _ = std::fs::remove_file(&path);
            let outcome = runtime().block_on(example(path.clone()));
            let _ = std::fs::remove_file(path);
            outcome.expect("the example works");
        }
    }

    /// Starts a VPP that listens at `path`.
    #[cfg(feature = "tokio")]
    pub fn start(path: &Path) -> std::io::Result<()> {
        #[cfg(feature = "server")]
        {
            let listener = tokio::net::UnixListener::bind(path)?;
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(served::serve(stream));
                }
            });
        }
        Ok(())
    }

    #[cfg(all(feature = "tokio", feature = "server"))]
    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    /// Runs an example with a connection and its VPP. Without the feature `server` it is compiled only.
    pub fn with_connection(example: impl FnOnce(Connection<&'static str>, Vpp) -> Result<(), Box<dyn Error>>) {
        #[cfg(feature = "server")]
        {
            let mut handshake = vpp_api::connection::Handshake::new(vpp_api::connection::Config::default());
            let mut vpp = Vpp::new();
            let answer = vpp.answer(&handshake.poll_transmit().expect("sockclnt_create"));
            let connection = handshake.handle_bytes(&answer).expect("a good answer").expect("all of it");
            example(connection, vpp).expect("the example works");
        }
    }

    #[cfg(not(feature = "server"))]
    pub struct Vpp;

    #[cfg(not(feature = "server"))]
    impl Vpp {
        pub fn answer(&mut self, _requests: &[u8]) -> Vec<u8> {
            Vec::new()
        }
    }

    #[cfg(feature = "server")]
    pub use served::Vpp;

    #[cfg(feature = "server")]
    mod served {
        use std::sync::Arc;

        #[cfg(feature = "tokio")]
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        use vpp_api::messages::interface::{SwInterfaceEvent, WantInterfaceEventsReply};
        use vpp_api::messages::lb::{LbAsV2Details, LbVip};
        use vpp_api::messages::memclnt::ControlPingReply;
        use vpp_api::messages::vpe::ShowVersionReply;
        use vpp_api::server::{AnyRequest, NotServed, ServedTable, Session};
        use vpp_api::types::{Address, FixedString, IfStatusFlags, InterfaceIndex, Retval};

        pub struct Vpp(Session);

        impl Vpp {
            pub fn new() -> Self {
                Self(Session::new(Arc::new(ServedTable::of_this_crate(1)), 0x8000_0001))
            }

            pub fn answer(&mut self, requests: &[u8]) -> Vec<u8> {
                self.0.handle_bytes(requests);
                while let Some(incoming) = self.0.poll_request().expect("good frames") {
                    reply(&mut self.0, incoming.context, &incoming.request).expect("it is served");
                }
                self.0.take_output().to_vec()
            }
        }

        fn reply(session: &mut Session, context: u32, request: &AnyRequest) -> Result<(), NotServed> {
            match request {
                AnyRequest::ShowVersion(_) => {
                    let version = ShowVersionReply {
                        retval: Retval::OK,
                        program: FixedString::clipped("vpe"),
                        version: FixedString::clipped("26.10-rc0"),
                        build_date: FixedString::default(),
                        build_directory: FixedString::default(),
                    };
                    session.reply(context, &version)
                }
                AnyRequest::ControlPing(_) => {
                    let client_index = session.client_index();
                    session.reply(context, &ControlPingReply { retval: Retval::OK, client_index, vpe_pid: 1 })
                }
                AnyRequest::LbAsV2Dump(_) => (1..=2).try_for_each(|number| {
                    let row = LbAsV2Details {
                        vip: LbVip::default(),
                        app_srv: Address::from(std::net::Ipv4Addr::new(10, 0, 0, number)),
                        flags: 1,
                        in_use_since: 0,
                        weight: 100,
                        num_buckets: 512,
                    };
                    session.reply(context, &row)
                }),
                AnyRequest::WantInterfaceEvents(want) => {
                    session.reply(context, &WantInterfaceEventsReply { retval: Retval::OK })?;
                    let event = SwInterfaceEvent {
                        pid: want.pid,
                        sw_if_index: InterfaceIndex(1),
                        flags: IfStatusFlags::LINK_UP,
                        deleted: false,
                    };
                    if want.enable_disable == 1 { session.event(&event) } else { Ok(()) }
                }
                _ => Ok(()),
            }
        }

        #[cfg(feature = "tokio")]
        pub async fn serve(mut stream: tokio::net::UnixStream) -> std::io::Result<()> {
            let mut vpp = Vpp::new();
            let mut buffer = [0; 4096];
            loop {
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    return Ok(());
                }
                stream.write_all(&vpp.answer(&buffer[..count])).await?;
            }
        }
    }
}
