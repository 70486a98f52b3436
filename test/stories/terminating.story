# a Pod that is being deleted: terminating, and serving while it still answers; gone when it has ended
apply
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec: {selector: {app: web}, clusterIP: None, ports: [{port: 80}]}
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: web-0, labels: {app: web}}
  spec: {containers: [{name: web, image: echo, lifecycle: {preStop: {sleep: {seconds: 15}}}}]}
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: web-1, labels: {app: web}}
  spec: {containers: [{name: web, image: echo}]}
slices web
dig A web.default.svc.cluster.local
----
web-~a IPv4 80/TCP
  10.244.0.2 ready serving web-0 on n1
  10.244.0.3 ready serving web-1 on n1
NOERROR
web.default.svc.cluster.local. 5 IN A 10.244.0.2
web.default.svc.cluster.local. 5 IN A 10.244.0.3

delete pod/web-0
get pods
slices web
dig A web.default.svc.cluster.local
----
NAME    READY   STATUS        RESTARTS
web-0   1/1     Terminating   0
web-1   1/1     Running       0
web-~a IPv4 80/TCP
  10.244.0.2 serving terminating not-ready web-0 on n1
  10.244.0.3 ready serving web-1 on n1
NOERROR
web.default.svc.cluster.local. 5 IN A 10.244.0.3

# while it drains it may stop to answer: then it serves no more
unready web-0
slices web
----
web-~a IPv4 80/TCP
  10.244.0.2 terminating not-ready web-0 on n1
  10.244.0.3 ready serving web-1 on n1

wait 15s
get pods
slices web
get endpoints web
----
NAME    READY   STATUS    RESTARTS
web-1   1/1     Running   0
web-~a IPv4 80/TCP
  10.244.0.3 ready serving web-1 on n1
NAME   ENDPOINTS
web    10.244.0.3:80
