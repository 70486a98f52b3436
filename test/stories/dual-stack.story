# two address families: two addresses, two slices, A and AAAA
cluster dual-stack
apply
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec:
    selector: {app: web}
    ipFamilyPolicy: RequireDualStack
    clusterIP: 10.96.0.80
    clusterIPs: [10.96.0.80, "fd00:10:96::80"]
    ports: [{name: http, port: 80}]
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: pods}
  spec: {selector: {app: web}, clusterIP: None, ipFamilyPolicy: PreferDualStack, ports: [{name: http, port: 80}]}
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: plain}
  spec: {selector: {app: web}, clusterIP: 10.96.0.81, ports: [{port: 80}]}
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: web-0, labels: {app: web}}
  spec: {hostname: web-0, subdomain: pods, containers: [{name: web, image: echo}]}
slices web
slices plain
dig A web.default.svc.cluster.local
dig AAAA web.default.svc.cluster.local
dig AAAA plain.default.svc.cluster.local
dig PTR fd00:10:96::80
----
web-~a IPv4 http:80/TCP
  10.244.0.2 ready serving web-0 on n1
web-~b IPv6 http:80/TCP
  fd00:10:244::2 ready serving web-0 on n1
plain-~a IPv4 80/TCP
  10.244.0.2 ready serving web-0 on n1
NOERROR
web.default.svc.cluster.local. 5 IN A 10.96.0.80
NOERROR
web.default.svc.cluster.local. 5 IN AAAA fd00:10:96::80
NOERROR
NOERROR
0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. 5 IN PTR web.default.svc.cluster.local.

dig A web-0.pods.default.svc.cluster.local
dig AAAA web-0.pods.default.svc.cluster.local
dig SRV _http._tcp.pods.default.svc.cluster.local
----
NOERROR
web-0.pods.default.svc.cluster.local. 5 IN A 10.244.0.2
NOERROR
web-0.pods.default.svc.cluster.local. 5 IN AAAA fd00:10:244::2
NOERROR
_http._tcp.pods.default.svc.cluster.local. 5 IN SRV 0 50 80 web-0.pods.default.svc.cluster.local.
;; ADDITIONAL
web-0.pods.default.svc.cluster.local. 5 IN A 10.244.0.2
web-0.pods.default.svc.cluster.local. 5 IN AAAA fd00:10:244::2

# back to one family: the second address and its slice are given back
patch svc/web
  {"spec": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "clusterIPs": ["10.96.0.80"]}}
slices web
dig AAAA web.default.svc.cluster.local
dig PTR fd00:10:96::80
----
web-~a IPv4 http:80/TCP
  10.244.0.2 ready serving web-0 on n1
NOERROR
NXDOMAIN
