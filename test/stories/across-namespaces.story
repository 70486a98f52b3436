# the same name in two namespaces is two Services; the namespace tells them apart
create ns staging
apply
  apiVersion: v1
  kind: Service
  metadata: {name: api}
  spec: {selector: {app: api}, clusterIP: 10.96.0.81, ports: [{name: http, port: 80}]}
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: api-0, labels: {app: api}}
  spec: {containers: [{name: api, image: api}]}
apply -n staging
  apiVersion: v1
  kind: Service
  metadata: {name: api}
  spec: {selector: {app: api}, clusterIP: 10.96.0.82, ports: [{name: http, port: 80}]}
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: api-0, labels: {app: api}}
  spec: {containers: [{name: api, image: api}]}
slices api
slices api -n staging
----
api-~a IPv4 http:80/TCP
  10.244.0.2 ready serving api-0 on n1
api-~b IPv4 http:80/TCP
  10.244.0.3 ready serving api-0 on n1

dig A api.default.svc.cluster.local
dig A api.staging.svc.cluster.local
dig A api.svc.cluster.local
dig A api.production.svc.cluster.local
----
NOERROR
api.default.svc.cluster.local. 5 IN A 10.96.0.81
NOERROR
api.staging.svc.cluster.local. 5 IN A 10.96.0.82
NXDOMAIN
NXDOMAIN

# a selector finds Pods of its own namespace only
delete pod/api-0 -n staging
slices api -n staging
slices api
----
api-~b IPv4 no ports
api-~a IPv4 http:80/TCP
  10.244.0.2 ready serving api-0 on n1

# two Services cannot have one address, whatever their namespaces
apply -n staging
  apiVersion: v1
  kind: Service
  metadata: {name: other}
  spec: {clusterIP: 10.96.0.81, ports: [{port: 80}]}
----
error: Service "other" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.81"]: failed to allocate IP 10.96.0.81: provided IP is already allocated
