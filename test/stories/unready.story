# a Pod that is not ready leaves the names and stays in the slice
apply
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec: {selector: {app: web}, clusterIP: 10.96.0.80, ports: [{name: http, port: 80, targetPort: 8080}]}
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: web-pods}
  spec: {selector: {app: web}, clusterIP: None, ports: [{name: http, port: 8080}]}
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: web-0, labels: {app: web}}
  spec: {containers: [{name: web, image: echo}]}
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: web-1, labels: {app: web}}
  spec: {containers: [{name: web, image: echo}]}
get pods
slices web
dig A web-pods.default.svc.cluster.local
----
NAME    READY   STATUS    RESTARTS
web-0   1/1     Running   0
web-1   1/1     Running   0
web-~a IPv4 http:8080/TCP
  10.244.0.2 ready serving web-0 on n1
  10.244.0.3 ready serving web-1 on n1
NOERROR
web-pods.default.svc.cluster.local. 5 IN A 10.244.0.2
web-pods.default.svc.cluster.local. 5 IN A 10.244.0.3

unready web-0
get pods
slices web
get endpoints
dig A web-pods.default.svc.cluster.local
----
NAME    READY   STATUS    RESTARTS
web-0   0/1     Running   0
web-1   1/1     Running   0
web-~a IPv4 http:8080/TCP
  10.244.0.2 not-ready web-0 on n1
  10.244.0.3 ready serving web-1 on n1
NAME         ENDPOINTS
kubernetes   192.168.50.2:6443
web          10.244.0.3:8080
web-pods     10.244.0.3:8080
NOERROR
web-pods.default.svc.cluster.local. 5 IN A 10.244.0.3

# the ClusterIP's name does not depend on endpoints, not even on there being any
unready web-1
slices web
dig A web.default.svc.cluster.local
dig A web-pods.default.svc.cluster.local
----
web-~a IPv4 http:8080/TCP
  10.244.0.2 not-ready web-0 on n1
  10.244.0.3 not-ready web-1 on n1
NOERROR
web.default.svc.cluster.local. 5 IN A 10.96.0.80
NXDOMAIN

ready web-0 web-1
slices web
dig A web-pods.default.svc.cluster.local
----
web-~a IPv4 http:8080/TCP
  10.244.0.2 ready serving web-0 on n1
  10.244.0.3 ready serving web-1 on n1
NOERROR
web-pods.default.svc.cluster.local. 5 IN A 10.244.0.2
web-pods.default.svc.cluster.local. 5 IN A 10.244.0.3
