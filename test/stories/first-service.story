# a Service of a Deployment: a ClusterIP, its ready Pods as endpoints, and a name
apply
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web}
  spec:
    replicas: 2
    selector: {matchLabels: {app: web}}
    template:
      metadata: {labels: {app: web}}
      spec: {containers: [{name: web, image: signpost/echo, ports: [{containerPort: 8080}]}]}
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec: {selector: {app: web}, clusterIP: 10.96.0.80, ports: [{port: 80, targetPort: 8080}]}
get deploy
get pods -o wide
get svc
----
NAME   READY   UP-TO-DATE   AVAILABLE
web    2/2     2            2
NAME                READY   STATUS    RESTARTS   IP           NODE   NOMINATED NODE   READINESS GATES
web-759f98dc7b-~a   1/1     Running   0          10.244.0.2   n1     <none>           <none>
web-759f98dc7b-~b   1/1     Running   0          10.244.0.3   n1     <none>           <none>
NAME         TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)
kubernetes   ClusterIP   10.96.0.1    <none>        443/TCP
web          ClusterIP   10.96.0.80   <none>        80/TCP

slices web
get endpoints web
----
web-~a IPv4 8080/TCP
  10.244.0.2 ready serving web-759f98dc7b-~a on n1
  10.244.0.3 ready serving web-759f98dc7b-~b on n1
NAME   ENDPOINTS
web    10.244.0.2:8080,10.244.0.3:8080

# the name is known in its own namespace and, with that, everywhere; it is no name of another one
dig A web.default.svc.cluster.local
dig A WEB.default.svc.CLUSTER.local
dig AAAA web.default.svc.cluster.local
dig A web.kube-system.svc.cluster.local
dig PTR 10.96.0.80
----
NOERROR
web.default.svc.cluster.local. 5 IN A 10.96.0.80
NOERROR
WEB.default.svc.CLUSTER.local. 5 IN A 10.96.0.80
NOERROR
NXDOMAIN
NOERROR
80.0.96.10.in-addr.arpa. 5 IN PTR web.default.svc.cluster.local.

# an unnamed port has no SRV record by name, but the Service's own name has one
dig SRV web.default.svc.cluster.local
dig SRV _http._tcp.web.default.svc.cluster.local
----
NOERROR
web.default.svc.cluster.local. 5 IN SRV 0 100 80 web.default.svc.cluster.local.
;; ADDITIONAL
web.default.svc.cluster.local. 5 IN A 10.96.0.80
NXDOMAIN

# without its Service the name is gone, and so are address and slices
delete svc/web
slices web
dig A web.default.svc.cluster.local
dig PTR 10.96.0.80
----
no slices
NXDOMAIN
NXDOMAIN
