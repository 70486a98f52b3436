# a named targetPort is looked up in each Pod: Pods that differ get slices of their own
apply
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec:
    selector: {app: web}
    clusterIP: 10.96.0.80
    ports: [{name: http, port: 80, targetPort: www}, {name: dns, port: 53, protocol: UDP, targetPort: dns}]
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: blue, labels: {app: web}}
  spec:
    containers:
    - name: web
      image: web:1
      ports: [{name: www, containerPort: 8080}, {name: dns, containerPort: 5353, protocol: UDP}]
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: green, labels: {app: web}}
  spec:
    containers:
    - name: web
      image: web:2
      ports: [{name: www, containerPort: 9090}, {name: dns, containerPort: 5353, protocol: UDP}]
slices web
get svc
----
web-~a IPv4 http:8080/TCP dns:5353/UDP
  10.244.0.2 ready serving blue on n1
web-~b IPv4 http:9090/TCP dns:5353/UDP
  10.244.0.3 ready serving green on n1
NAME         TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)
kubernetes   ClusterIP   10.96.0.1    <none>        443/TCP
web          ClusterIP   10.96.0.80   <none>        80/TCP,53/UDP

# a Pod that has no port of that name is an endpoint of the other port only
apply
  apiVersion: v1
  kind: Pod
  metadata: {name: plain, labels: {app: web}}
  spec: {containers: [{name: web, image: web:3, ports: [{name: dns, containerPort: 5353, protocol: UDP}]}]}
slices web
----
web-~a IPv4 http:8080/TCP dns:5353/UDP
  10.244.0.2 ready serving blue on n1
web-~b IPv4 http:9090/TCP dns:5353/UDP
  10.244.0.3 ready serving green on n1
web-~c IPv4 dns:5353/UDP
  10.244.0.4 ready serving plain on n1

# in DNS the Service's port counts, not the Pod's
dig SRV _http._tcp.web.default.svc.cluster.local
dig SRV _dns._udp.web.default.svc.cluster.local
----
NOERROR
_http._tcp.web.default.svc.cluster.local. 5 IN SRV 0 100 80 web.default.svc.cluster.local.
;; ADDITIONAL
web.default.svc.cluster.local. 5 IN A 10.96.0.80
NOERROR
_dns._udp.web.default.svc.cluster.local. 5 IN SRV 0 100 53 web.default.svc.cluster.local.
;; ADDITIONAL
web.default.svc.cluster.local. 5 IN A 10.96.0.80
