//! Asks a VPP what it is.
//!
//! ```text
//! cargo run -p vpp-api --example show_version -- /run/vpp/api.sock
//! ```

use std::error::Error;

use vpp_api::client::{Client, Options};
use vpp_api::messages::lb::{LbAddDelAsV2, LbConfGet};
use vpp_api::messages::memclnt::ControlPing;
use vpp_api::messages::vpe::ShowVersion;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/run/vpp/api.sock".to_owned());
    let client = Client::connect(&path, Options { name: "show_version".to_owned(), ..Options::default() }).await?;

    let version = client.call(&ShowVersion {}).await?;
    let ping = client.call(&ControlPing {}).await?;
    println!("{} {} built {}", version.program, version.version, version.build_date);
    println!("process {}, {} messages", ping.vpe_pid, client.table().len());

    let lb = match (client.supports::<LbConfGet>(), client.supports::<LbAddDelAsV2>()) {
        (true, true) => "with weights",
        (true, false) => "without weights",
        (false, _) if client.table().by_name("lb_conf").is_some() => "of an older release",
        (false, _) => "not loaded",
    };
    println!("lb plugin: {lb}");
    Ok(())
}
