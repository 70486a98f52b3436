# publishNotReadyAddresses: peers that have to find each other before they are ready
apply
  apiVersion: v1
  kind: Service
  metadata: {name: peers}
  spec:
    clusterIP: None
    publishNotReadyAddresses: true
    selector: {app: peer}
    ports: [{name: gossip, port: 7946}]
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: peer-0, labels: {app: peer}}
  spec: {containers: [{name: peer, image: peer, readinessProbe: {tcpSocket: {port: 7946}}}]}
get pods
slices peers
get endpoints peers
dig A peers.default.svc.cluster.local
----
NAME     READY   STATUS    RESTARTS
peer-0   0/1     Running   0
peers-~a IPv4 gossip:7946/TCP
  10.244.0.2 ready peer-0 on n1
NAME    ENDPOINTS
peers   10.244.0.2:7946
NOERROR
peers.default.svc.cluster.local. 5 IN A 10.244.0.2

# without it the same Pods are not found until they are ready
patch svc/peers
  {"spec": {"publishNotReadyAddresses": false}}
slices peers
dig A peers.default.svc.cluster.local
----
peers-~a IPv4 gossip:7946/TCP
  10.244.0.2 not-ready peer-0 on n1
NXDOMAIN

ready peer-0
slices peers
dig A peers.default.svc.cluster.local
----
peers-~a IPv4 gossip:7946/TCP
  10.244.0.2 ready serving peer-0 on n1
NOERROR
peers.default.svc.cluster.local. 5 IN A 10.244.0.2
