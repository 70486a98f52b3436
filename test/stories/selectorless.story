# a Service without a selector: its endpoints are written by hand, as an EndpointSlice or as Endpoints
apply
  apiVersion: v1
  kind: Service
  metadata: {name: legacy}
  spec: {clusterIP: 10.96.0.50, ports: [{name: pg, port: 5432}]}
slices legacy
dig A legacy.default.svc.cluster.local
----
no slices
NOERROR
legacy.default.svc.cluster.local. 5 IN A 10.96.0.50

apply
  apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: legacy-1, labels: {kubernetes.io/service-name: legacy}}
  addressType: IPv4
  endpoints:
  - addresses: [203.0.113.5]
  - addresses: [203.0.113.6]
    conditions: {ready: false}
  ports: [{name: pg, port: 5432}]
slices legacy
get endpoints
----
legacy-1 IPv4 pg:5432/TCP
  203.0.113.5
  203.0.113.6 not-ready
NAME         ENDPOINTS
kubernetes   192.168.50.2:6443

# headless, the same names each address by its digits; hostname names it better
apply
  apiVersion: v1
  kind: Service
  metadata: {name: hosts}
  spec: {clusterIP: None, ports: [{name: pg, port: 5432}]}
  ---
  apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: hosts-1, labels: {kubernetes.io/service-name: hosts}}
  addressType: IPv4
  endpoints:
  - addresses: [203.0.113.7]
    hostname: primary
  - addresses: [203.0.113.8]
  ports: [{name: pg, port: 5432}]
dig A hosts.default.svc.cluster.local
dig A primary.hosts.default.svc.cluster.local
dig SRV _pg._tcp.hosts.default.svc.cluster.local
----
NOERROR
hosts.default.svc.cluster.local. 5 IN A 203.0.113.7
hosts.default.svc.cluster.local. 5 IN A 203.0.113.8
NOERROR
primary.hosts.default.svc.cluster.local. 5 IN A 203.0.113.7
NOERROR
_pg._tcp.hosts.default.svc.cluster.local. 5 IN SRV 0 50 5432 203-0-113-8.hosts.default.svc.cluster.local.
_pg._tcp.hosts.default.svc.cluster.local. 5 IN SRV 0 50 5432 primary.hosts.default.svc.cluster.local.
;; ADDITIONAL
203-0-113-8.hosts.default.svc.cluster.local. 5 IN A 203.0.113.8
primary.hosts.default.svc.cluster.local. 5 IN A 203.0.113.7

# Endpoints, the older way, are mirrored into a slice
apply
  apiVersion: v1
  kind: Service
  metadata: {name: older}
  spec: {clusterIP: None, ports: [{name: pg, port: 5432}]}
  ---
  apiVersion: v1
  kind: Endpoints
  metadata: {name: older}
  subsets: [{addresses: [{ip: 203.0.113.9}], ports: [{name: pg, port: 5432}]}]
slices older
dig A older.default.svc.cluster.local
----
older-~a IPv4 pg:5432/TCP
  203.0.113.9 ready
NOERROR
older.default.svc.cluster.local. 5 IN A 203.0.113.9

# Endpoints that carry a loopback address are refused
apply
  apiVersion: v1
  kind: Endpoints
  metadata: {name: older}
  subsets: [{addresses: [{ip: 127.0.0.1}], ports: [{name: pg, port: 5432}]}]
----
error: Endpoints "older" is invalid: subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)
