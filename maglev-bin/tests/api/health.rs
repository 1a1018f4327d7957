use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use vpp_sim::Release;

use crate::every_release::on_every_release;
use crate::lab::Api;
use crate::support::PATIENCE;

on_every_release! {
    the_server_and_its_service_are_healthy_until_nothing_is_decided_any_more,
}

async fn the_server_and_its_service_are_healthy_until_nothing_is_decided_any_more(release: Release) {
    let api = Api::two_up_on(release).await;
    let address = format!("http://{}", api.server.addresses()[0]);
    let channel = Endpoint::try_from(address).unwrap().connect().await.unwrap();
    let mut told = Vec::new();
    for service in ["", "maglev.v1.Maglev"] {
        told.push((service, watch(&channel, service).await));
    }
    let server = api.server;
    drop(api.daemon);
    for (service, mut statuses) in told {
        let end = async {
            assert_eq!(next(&mut statuses).await, ServingStatus::Serving, "`{service}` at first");
            assert_eq!(next(&mut statuses).await, ServingStatus::NotServing, "`{service}` of a daemon that ended");
        };
        let end = tokio::time::timeout(PATIENCE, end).await;
        end.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for `{service}` to be unhealthy"));
    }
    drop(server);
}

async fn watch(channel: &Channel, service: &str) -> tonic::Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(channel.clone()).watch(request).await.unwrap().into_inner()
}

async fn next(statuses: &mut tonic::Streaming<HealthCheckResponse>) -> ServingStatus {
    statuses.message().await.unwrap().expect("the stream goes on").status()
}
