// What programs written against client-go do: informers that start with a WatchList, typed requests
// (protobuf bodies), and leader election between two candidates. Prints what it saw as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/retry"
)

const namespace = "client-go"

type report struct {
	Initial     int    `json:"initial"`
	Added       int32  `json:"added"`
	Updated     int32  `json:"updated"`
	Deleted     int32  `json:"deleted"`
	Left        int    `json:"left"`
	Data        string `json:"data"`
	Leaders     string `json:"leaders"`
	Transitions int32  `json:"transitions"`
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	check(err)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client := kubernetes.NewForConfigOrDie(config)
	_, err = client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
	}, metav1.CreateOptions{})
	check(err)
	var seen report
	watchConfigMaps(ctx, client, &seen)
	elect(ctx, client, &seen)
	check(json.NewEncoder(os.Stdout).Encode(&seen))
}

func watchConfigMaps(ctx context.Context, client kubernetes.Interface, seen *report) {
	maps := client.CoreV1().ConfigMaps(namespace)
	for i := range 5 {
		_, err := maps.Create(ctx, configMap(i), metav1.CreateOptions{})
		check(err)
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().ConfigMaps().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(_ any, initial bool) {
			if !initial {
				atomic.AddInt32(&seen.Added, 1)
			}
		},
		UpdateFunc: func(_, _ any) { atomic.AddInt32(&seen.Updated, 1) },
		DeleteFunc: func(any) { atomic.AddInt32(&seen.Deleted, 1) },
	})
	check(err)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	seen.Initial = len(informer.GetStore().List())
	for i := 5; i < 25; i++ {
		_, err := maps.Create(ctx, configMap(i), metav1.CreateOptions{})
		check(err)
	}
	check(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		found, err := maps.Get(ctx, "c7", metav1.GetOptions{})
		if err != nil {
			return err
		}
		found.Data = map[string]string{"value": "changed"}
		_, err = maps.Update(ctx, found, metav1.UpdateOptions{})
		return err
	}))
	for i := 10; i < 13; i++ {
		check(maps.Delete(ctx, configMap(i).Name, metav1.DeleteOptions{}))
	}
	check(wait.PollUntilContextCancel(ctx, 5*time.Millisecond, true, func(context.Context) (bool, error) {
		return atomic.LoadInt32(&seen.Deleted) == 3, nil
	}))
	seen.Left = len(informer.GetStore().List())
	object, _, err := informer.GetStore().GetByKey(namespace + "/c7")
	check(err)
	seen.Data = object.(*corev1.ConfigMap).Data["value"]
}

func configMap(index int) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("c%d", index)},
		Data:       map[string]string{"value": "first"},
	}
}

// The first leads, stops, and gives its lease back; the second takes it.
func elect(ctx context.Context, client kubernetes.Interface, seen *report) {
	first, stopFirst := context.WithCancel(ctx)
	second, stopSecond := context.WithCancel(ctx)
	leads := make(chan string, 2)
	firstDone := make(chan struct{})
	go func() {
		defer close(firstDone)
		run(first, client, "first", leads)
	}()
	seen.Leaders = <-leads
	go run(second, client, "second", leads)
	stopFirst()
	<-firstDone
	seen.Leaders += " " + <-leads
	lease, err := client.CoordinationV1().Leases(namespace).Get(ctx, "lock", metav1.GetOptions{})
	check(err)
	seen.Transitions = *lease.Spec.LeaseTransitions
	stopSecond()
}

func run(ctx context.Context, client kubernetes.Interface, identity string, leads chan<- string) {
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: "lock"},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		},
		LeaseDuration:   3 * time.Second,
		RenewDeadline:   2 * time.Second,
		RetryPeriod:     200 * time.Millisecond,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { leads <- identity },
			OnStoppedLeading: func() {},
		},
	})
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
