//! What a client tells of its connection without a call.

use tokio::sync::watch;

use super::Client;
use crate::connection::Counters;
use crate::error::Disconnect;
use crate::message::Message;
use crate::release::Capabilities;
use crate::table::MessageTable;

impl Client {
    /// Whether this VPP has `M`, with exactly this layout.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// use vpp_api::messages::lb::LbAddDelAsV2;
    ///
    /// assert!(client.supports::<LbAddDelAsV2>(), "this lb plugin knows weights");
    /// assert!(client.table().by_name("nat44_ed_plugin_enable_disable").is_none());
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn supports<M: Message>(&self) -> bool {
        self.table().id(M::NAME_CRC).is_some()
    }

    /// The messages this VPP has.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// let id = client.table().by_name("show_version").expect("every VPP has it");
    /// println!("{id:?}");
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn table(&self) -> &MessageTable {
        &self.shared().table
    }

    /// What this VPP can do, and how its lb plugin has to be spoken to.
    ///
    /// ```no_run
    /// # async fn example(vpp: vpp_api::client::Client) {
    /// let capabilities = vpp.capabilities();
    /// if !capabilities.weights {
    ///     eprintln!("no weights, only: {capabilities}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        Capabilities::of(self.table())
    }

    /// The index VPP gave to this client.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// assert_eq!(client.client_index(), 0x8000_0001);
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn client_index(&self) -> u32 {
        self.shared().lock().connection.client_index()
    }

    /// Totals of this connection.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// use vpp_api::messages::vpe::ShowVersion;
    ///
    /// client.call(&ShowVersion {}).await?;
    /// assert_eq!(client.counters().frames_received, 1);
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared().lock().connection.counters()
    }

    /// Whether the connection has ended.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// assert!(!client.is_closed());
    /// client.close();
    /// client.closed().await;
    /// assert!(client.is_closed());
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared().closed.borrow().is_some()
    }

    /// Waits until the connection has ended, and says why. May be awaited by any number of tasks, at any time.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// use vpp_api::error::Disconnect;
    ///
    /// client.close();
    /// assert!(matches!(client.closed().await, Disconnect::Closed));
    /// # Ok(()) }) }
    /// ```
    pub async fn closed(&self) -> Disconnect {
        ended(&mut self.shared().closed.subscribe()).await
    }
}

async fn ended(closed: &mut watch::Receiver<Option<Disconnect>>) -> Disconnect {
    // Without a sender all clients and the driver are gone.
    closed.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone()).unwrap_or(Disconnect::Closed)
}
