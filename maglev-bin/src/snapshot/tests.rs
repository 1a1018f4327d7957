use super::*;
use crate::config::Context;

/// One frontend with one pool of two backends, programmed.
pub(crate) fn example() -> Snapshot {
    let now = Timestamp::UNIX_EPOCH;
    let backend = |name: &str, address: &str, state| {
        Arc::new(BackendView {
            name: name.into(),
            address: address.parse().unwrap(),
            healthcheck: Some("web".into()),
            kind: "http",
            state,
            health: 4,
            rise: 2,
            fall: 3,
            enabled: true,
            held: false,
            r#override: None,
            certificate_expires: None,
            damping: None,
            agent: None,
            since: now,
            history: Vec::new(),
        })
    };
    let member = |name: &str, address: &str, effective_weight| MemberView {
        name: name.into(),
        address: address.parse().unwrap(),
        weight: 100,
        configured_weight: 100,
        effective_weight,
        overridden: false,
    };
    let members = vec![member("web0", "10.2.1.1", 100), member("web1", "10.2.1.2", 0)];
    let in_vpp = |weight, buckets| AsView { weight, buckets };
    let ases = [("10.2.1.1".parse().unwrap(), in_vpp(100, 512)), ("10.2.1.2".parse().unwrap(), in_vpp(0, 0))];
    let frontend = FrontendView {
        name: "web-v4".into(),
        description: "public web".into(),
        vip: VipName { prefix: "192.0.2.1".into(), protocol: "tcp".into(), port: 80 },
        state: "up",
        since: now,
        active_pool: 0,
        pools: vec![PoolView { name: "primary".into(), backends: members }],
        table_length_wanted: 1_024,
        released: true,
        dataplane: Some(VipView {
            encap: "gre4".into(),
            src_ip_sticky: Some(false),
            table_length: Some(1_024),
            ases: ases.into(),
            compared: None,
            error: None,
            in_sync: true,
            released: true,
        }),
    };
    Snapshot {
        taken: now,
        started: now,
        config_sha256: "ab".repeat(32).into(),
        config: Arc::new(Config::parse("maglev: {}", "empty", Context { dataplane: false }).unwrap().config),
        backends: vec![backend("web0", "10.2.1.1", "up"), backend("web1", "10.2.1.2", "down")],
        frontends: vec![Arc::new(frontend)],
        vpp: Arc::default(),
        flows: None,
        overrides: Arc::default(),
    }
}

#[test]
fn a_reader_keeps_what_it_took_while_newer_state_is_published() {
    let published = Published::new(example());
    let old = published.snapshot();
    let watch = published.watch();
    published.publish(Snapshot { frontends: Vec::new(), ..example() });
    assert!(watch.has_changed().unwrap());
    assert_eq!(old.frontends.len(), 1);
    assert!(published.snapshot().frontends.is_empty());
}
