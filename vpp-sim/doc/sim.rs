// Hidden in the examples of the documentation, which include it: a place for sockets, and something to look at.

#[allow(unused)]
mod sim {
    use std::error::Error;
    use std::time::{Duration, Instant};

    use vpp_api::client::{Client, Options as ClientOptions};
    use vpp_api::messages::vlib::CliInband;
    use vpp_sim::{Options, Simulator};

    /// Runs an example with options whose sockets are in a directory of their own, which may be removed or replaced.
    pub fn with_options(example: impl AsyncFnOnce(Options) -> Result<(), Box<dyn Error>>) {
        let directory = std::env::temp_dir().join(format!("vpp-sim-doc-{}", std::process::id()));
        let sockets = directory.join("sockets");
        // Left by another process of that number.
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&sockets).expect("a directory for temporary files");
        let options = Options {
            api_socket: sockets.join("api.sock"),
            stats_socket: sockets.join("stats.sock"),
            ..Options::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let outcome = runtime.block_on(example(options));
        let _ = std::fs::remove_dir_all(&directory);
        outcome.expect("the example works");
    }

    /// Adds the VIP 192.0.2.1/32 tcp 80 with the servers 10.0.0.1 and 10.0.0.2, and returns the client that did it.
    pub async fn add_web(simulator: &Simulator) -> Result<Client, Box<dyn Error>> {
        let vpp = Client::connect(simulator.api_path(), ClientOptions::default()).await?;
        let vip = "192.0.2.1/32 protocol tcp port 80";
        for command in [format!("lb vip {vip} encap gre4"), format!("lb as {vip} 10.0.0.1 10.0.0.2")] {
            vpp.call(&CliInband { cmd: command.into() }).await?;
        }
        Ok(vpp)
    }

    /// Waits until `condition` holds, with a limit far beyond what a loaded machine needs.
    pub async fn until(mut condition: impl FnMut() -> bool) {
        let begin = Instant::now();
        while !condition() {
            assert!(begin.elapsed() < Duration::from_secs(30), "waited 30 s");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
